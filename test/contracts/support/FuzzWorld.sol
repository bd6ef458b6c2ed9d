// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// @notice For tests of one call with any input: what must refuse it, byte by byte, or what it does.
abstract contract FuzzWorld is EscrowWorld {
    /// @dev The one who may set things: whoever runs the tests deployed the manager.
    address internal governor = address(this);
    IOperatorRegistry.Permit internal noPermit;

    /// @notice Calls: with no reason it goes through, else exactly that is the error.
    function _goes(address actor, address target, bytes memory data, bytes memory reason) internal returns (bool) {
        vm.prank(actor);
        (bool success, bytes memory found) = target.call(data);
        if (success) found = "";
        assertEq(keccak256(found), keccak256(reason));
        return success;
    }

    /// @notice The reason for whoever is not the governor.
    function _unlessGovernor(address caller) internal view returns (bytes memory reason) {
        if (caller == governor) return "";
        return abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller);
    }

    function _mint(address to, address spender, uint256 amount) internal {
        token.mint(to, amount);
        vm.prank(to);
        token.approve(spender, amount);
    }

    /// @dev Now and then the governor, since no random address is.
    function _caller(address random) internal view returns (address) {
        return uint160(random) % 3 == 0 ? governor : random;
    }

    function _checkPause(address target, address caller, bool isPaused) internal {
        caller = _caller(caller);
        if (isPaused) _goes(governor, target, abi.encodeCall(FuzzPausable.pause, ()), "");
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && isPaused) reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        bool goes = _goes(caller, target, abi.encodeCall(FuzzPausable.pause, ()), reason);
        assertTrue(Pausable(target).paused() == (goes || isPaused));
    }

    function _checkUnpause(address target, address caller, bool isPaused) internal {
        caller = _caller(caller);
        if (isPaused) _goes(governor, target, abi.encodeCall(FuzzPausable.pause, ()), "");
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && !isPaused) reason = abi.encodeWithSelector(Pausable.ExpectedPause.selector);
        bool goes = _goes(caller, target, abi.encodeCall(FuzzPausable.unpause, ()), reason);
        assertTrue(Pausable(target).paused() == (isPaused && !goes));
    }

    /// @dev Only the manager itself hands a contract to another, and only to one that has code.
    function _checkSetAuthority(address target, address caller, address next) internal {
        caller = uint160(caller) % 3 == 0 ? address(manager) : caller;
        next = uint160(next) % 2 == 0 ? address(token) : next;
        bytes memory reason;
        if (caller != address(manager)) {
            reason = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller);
        } else if (next.code.length == 0) {
            reason = abi.encodeWithSelector(IAccessManaged.AccessManagedInvalidAuthority.selector, next);
        }
        bool goes = _goes(caller, target, abi.encodeCall(AccessManaged.setAuthority, (next)), reason);
        assertEq(AccessManaged(target).authority(), goes ? next : address(manager));
    }
}

interface FuzzPausable {
    function pause() external;
    function unpause() external;
}
