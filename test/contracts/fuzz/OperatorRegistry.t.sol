// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {FuzzWorld} from "../support/FuzzWorld.sol";

/// @notice Each function that changes something, with any input.
contract OperatorRegistryFuzzTest is FuzzWorld {
    uint256 private constant KEY = 0x9e4;
    uint256 private constant MOST = type(uint96).max;

    address private operator;
    address private sponsor = address(0x5001);

    function setUp() public override {
        super.setUp();
        operator = owners[0];
    }

    function testFuzz_join(uint256 stake, uint256 minimum, uint256 length, bool isForged) external {
        (stake, minimum) = (bound(stake, 0, MOST + MOST / 8), bound(minimum, 0, 100_000 ether));
        length = bound(length, 0, 300);
        operators.setMinimumStake(minimum);
        address joiner = address(0x0e9);
        _mint(joiner, address(operators), stake);
        IOperatorRegistry.JoinRequest memory request;
        request.stake = stake;
        request.endpoint = string(new bytes(length));
        request.node = nodeProofOf(joiner, KEY);
        if (isForged) (request.node.r, request.node.vs) = (0, 0);
        bytes memory reason;
        if (stake < minimum) reason = _stakeShort(minimum, stake);
        else if (stake > MOST) reason = _tooLarge(stake);
        else if (isForged) reason = _proofWrong(request.node.node, address(0));
        else if (length > 256) reason = _endpointTooLong(length);
        bool goes = _goes(joiner, address(operators), abi.encodeCall(operators.join, (request)), reason);
        _requireStake(joiner, goes ? stake : 0, 0);
        assertEq(token.balanceOf(joiner), goes ? 0 : stake);
        assertTrue(operators.isActiveNode(request.node.node) == goes && operators.isOperator(joiner) == goes);
        if (goes) {
            reason = abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryAlreadyJoined.selector, joiner);
            _goes(joiner, address(operators), abi.encodeCall(operators.join, (request)), reason);
        }
    }

    function testFuzz_addNode(address caller, uint256 key, uint64 validUntil, uint256 length) external {
        (caller, key, length) = (_keeper(caller), bound(key, 1, 1e30), bound(length, 0, 300));
        IOperatorRegistry.NodeProof memory proof = nodeProofOf(operator, key);
        if (validUntil % 4 == 0) key = 0;
        if (key == 0) (proof.r, proof.vs) = (0, 0);
        if (validUntil < time) proof.validUntil = validUntil;
        bytes memory reason = _unlessKeeper(caller);
        if (reason.length == 0) reason = _unlessProof(proof, key == 0, length);
        bytes memory data = abi.encodeCall(operators.addNode, (operator, proof, string(new bytes(length))));
        bool goes = _goes(caller, address(operators), data, reason);
        assertEq(operators.operatorOf(proof.node), goes ? operator : address(0));
        assertEq(operators.operatorInfoOf(operator).nodeCount, goes ? 2 : 1);
        assertEq(bytes(operators.endpointOf(proof.node)).length, goes ? length : 0);
    }

    /// @dev All of it or nothing: who cannot add the new key keeps the old one.
    function testFuzz_rotateNode(address caller, uint256 key, uint256 length, bool isForged) external {
        (caller, key, length) = (_keeper(caller), bound(key, 1, 1e30), bound(length, 0, 300));
        IOperatorRegistry.NodeProof memory proof = nodeProofOf(operator, key);
        if (isForged) (proof.r, proof.vs) = (0, 0);
        bytes memory reason = _unlessKeeper(caller);
        if (reason.length == 0) reason = _unlessProof(proof, isForged, length);
        bytes memory data = abi.encodeCall(operators.rotateNode, (nodes[0], proof, string(new bytes(length))));
        bool goes = _goes(caller, address(operators), data, reason);
        assertTrue(operators.isActiveNode(nodes[0]) != goes && operators.isActiveNode(proof.node) == goes);
        assertEq(operators.revokedAt(nodes[0]), goes ? time : 0);
        assertEq(operators.operatorInfoOf(operator).nodeCount, 1);
    }

    function testFuzz_revokeNode(address caller, address node, bool isKnown) external {
        (caller, node) = (_keeper(caller), isKnown ? nodes[0] : node);
        bytes memory reason = isKnown ? _unlessKeeper(caller) : _keyUnknown(node);
        bool goes = _goes(caller, address(operators), abi.encodeCall(operators.revokeNode, (node)), reason);
        assertEq(operators.revokedAt(nodes[0]), goes ? time : 0);
        // It stays attributable, and can not be revoked again.
        assertEq(operators.operatorOf(nodes[0]), operator);
        reason = abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryKeyRevoked.selector, node);
        if (goes) _goes(caller, address(operators), abi.encodeCall(operators.revokeNode, (node)), reason);
    }

    function testFuzz_setEndpoint(address caller, address node, bool isKnown, uint256 length) external {
        (caller, node, length) = (_keeper(caller), isKnown ? nodes[0] : node, bound(length, 0, 300));
        bytes memory reason = isKnown ? _unlessKeeper(caller) : _keyUnknown(node);
        if (reason.length == 0 && length > 256) reason = _endpointTooLong(length);
        bytes memory data = abi.encodeCall(operators.setEndpoint, (node, string(new bytes(length))));
        bool goes = _goes(caller, address(operators), data, reason);
        assertEq(bytes(operators.endpointOf(nodes[0])).length, goes ? length : 0);
    }

    function testFuzz_setManager(address caller, address chosen) external {
        caller = uint160(caller) % 3 == 0 ? operator : caller;
        bytes memory reason = caller == operator ? bytes("") : _notJoined(caller);
        bool goes = _goes(caller, address(operators), abi.encodeCall(operators.setManager, (chosen)), reason);
        assertEq(operators.operatorInfoOf(operator).manager, goes ? chosen : address(0));
    }

    function testFuzz_setPayout(address caller, address beneficiary, bool pushes) external {
        caller = uint160(caller) % 3 == 0 ? operator : caller;
        bytes memory reason = caller == operator ? bytes("") : _notJoined(caller);
        bytes memory data = abi.encodeCall(operators.setPayout, (beneficiary, pushes));
        bool goes = _goes(caller, address(operators), data, reason);
        (, address to, bool isPushed) = operators.payoutOf(nodes[0]);
        assertEq(to, goes && beneficiary != address(0) ? beneficiary : operator);
        assertTrue(isPushed == (goes && pushes));
    }

    function testFuzz_topUp(uint256 first, uint256 amount, bool isPaused) external {
        (first, amount) = (bound(first, 1, MOST), _some(amount, MOST));
        _topUp(first);
        if (isPaused) operators.pause();
        _mint(operator, address(operators), amount);
        bytes memory data = abi.encodeCall(operators.topUp, (amount, noPermit));
        bool goes = _goes(operator, address(operators), data, _unlessPutIn(first, amount, isPaused));
        _requireStake(operator, goes ? first + amount : first, 0);
        assertEq(token.balanceOf(operator), goes ? 0 : amount);
    }

    function testFuzz_thaw(uint256 stake, uint256 amount) external {
        stake = bound(stake, 1, MOST);
        amount = _some(amount, stake);
        _topUp(stake);
        bytes memory reason = amount == 0 ? _amountZero() : amount > stake ? _stakeShort(amount, stake) : bytes("");
        bool goes = _goes(operator, address(operators), abi.encodeCall(operators.thaw, (amount)), reason);
        _requireStake(operator, goes ? stake - amount : stake, goes ? amount : 0);
        assertEq(operators.stakeOf(operator).thawEndsAt, goes ? time + 7 days : 0);
    }

    function testFuzz_cancelThaw(uint256 stake, uint256 amount) external {
        stake = bound(stake, 1, MOST);
        amount = bound(amount, 0, stake);
        _topUp(stake);
        if (amount != 0) _goes(operator, address(operators), abi.encodeCall(operators.thaw, (amount)), "");
        bytes memory reason = amount == 0 ? _thawNone() : bytes("");
        _goes(operator, address(operators), abi.encodeCall(operators.cancelThaw, ()), reason);
        _requireStake(operator, stake, 0);
    }

    function testFuzz_withdraw(uint256 stake, uint256 amount, uint256 wait, address to) external {
        (stake, wait) = (bound(stake, 1, MOST), _around(wait));
        amount = bound(amount, 1, stake);
        if (uint160(to) % 8 == 0) to = address(0);
        else if (to == address(operators)) to = sponsor;
        _topUp(stake);
        _goes(operator, address(operators), abi.encodeCall(operators.thaw, (amount)), "");
        bytes memory reason = _unlessThawed(to, wait);
        bool goes = _goes(operator, address(operators), abi.encodeCall(operators.withdraw, (to)), reason);
        _requireStake(operator, stake - amount, goes ? 0 : amount);
        if (goes) assertEq(token.balanceOf(to), amount);
        if (goes) _goes(operator, address(operators), abi.encodeCall(operators.withdraw, (to)), _thawNone());
    }

    function testFuzz_stakeFor(uint256 first, uint256 amount, address behind, bool isPaused) external {
        (first, amount) = (bound(first, 1, MOST), _some(amount, MOST));
        address to = uint160(behind) % 4 == 0 ? behind : uint160(behind) % 4 == 1 ? owners[1] : operator;
        _topUp(first);
        if (isPaused) operators.pause();
        address from = to == owners[1] ? to : sponsor;
        _mint(from, address(operators), amount);
        bytes memory reason = _unlessPutIn(first, amount, isPaused);
        if (!isPaused && to != operator) {
            reason = to != owners[1]
                ? _notJoined(to)
                : abi.encodeWithSelector(IOperatorRegistry.OperatorRegistrySponsorSelf.selector, to);
        }
        bytes memory data = abi.encodeCall(operators.stakeFor, (to, amount, noPermit));
        bool goes = _goes(from, address(operators), data, reason);
        assertEq(operators.stakeOf(operator).stake, first);
        assertEq(operators.sponsorshipOf(operator, sponsor).stake, goes ? amount : 0);
        assertEq(token.balanceOf(address(operators)), goes ? first + amount : first);
        assertEq(token.balanceOf(from), goes ? 0 : amount);
    }

    function testFuzz_thawSponsored(uint256 stake, uint256 amount, bool isOther) external {
        stake = bound(stake, 1, MOST);
        amount = _some(amount, stake);
        _sponsor(stake);
        uint256 held = isOther ? 0 : stake;
        bytes memory reason = amount == 0 ? _amountZero() : amount > held ? _stakeShort(amount, held) : bytes("");
        bytes memory data = abi.encodeCall(operators.thawSponsored, (operator, amount));
        bool goes = _goes(isOther ? governor : sponsor, address(operators), data, reason);
        _requireSponsored(goes ? stake - amount : stake, goes ? amount : 0);
        assertEq(operators.sponsorshipOf(operator, sponsor).thawEndsAt, goes ? time + 7 days : 0);
    }

    function testFuzz_cancelSponsoredThaw(uint256 stake, uint256 amount, bool isOther) external {
        stake = bound(stake, 1, MOST);
        amount = bound(amount, 0, stake);
        _sponsor(stake);
        if (amount != 0) _goes(sponsor, address(operators), abi.encodeCall(operators.thawSponsored, (operator, amount)), "");
        bytes memory reason = amount == 0 || isOther ? _thawNone() : bytes("");
        bytes memory data = abi.encodeCall(operators.cancelSponsoredThaw, (operator));
        bool goes = _goes(isOther ? governor : sponsor, address(operators), data, reason);
        _requireSponsored(goes ? stake : stake - amount, goes ? 0 : amount);
    }

    function testFuzz_withdrawSponsored(uint256 stake, uint256 amount, uint256 wait, address to) external {
        (stake, wait) = (bound(stake, 1, MOST), _around(wait));
        amount = bound(amount, 1, stake);
        if (uint160(to) % 8 == 0) to = address(0);
        else if (to == address(operators)) to = operator;
        _sponsor(stake);
        _goes(sponsor, address(operators), abi.encodeCall(operators.thawSponsored, (operator, amount)), "");
        bytes memory reason = _unlessThawed(to, wait);
        bytes memory data = abi.encodeCall(operators.withdrawSponsored, (operator, to));
        bool goes = _goes(sponsor, address(operators), data, reason);
        _requireSponsored(stake - amount, goes ? 0 : amount);
        if (goes) assertEq(token.balanceOf(to), amount);
        if (goes) _goes(sponsor, address(operators), data, _thawNone());
    }

    /// @dev At most all there is; the same part of an operator's and a sponsor's.
    function testFuzz_slash(address caller, uint256 own, uint256 sponsored, uint256 amount) external {
        (own, sponsored) = (bound(own, 1, MOST / 2), bound(sponsored, 1, MOST / 2));
        (caller, amount) = (_caller(caller), bound(amount, 0, 2 * (own + sponsored)));
        operators.setSlasher(governor);
        _topUp(own);
        _sponsor(sponsored);
        bytes memory reason = caller == governor
            ? bytes("")
            : abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryNotSlasher.selector, governor, caller);
        bool goes = _goes(caller, address(operators), abi.encodeCall(operators.slash, (operator, amount)), reason);
        uint256 sum = own + sponsored;
        uint256 left = !goes ? sum : amount < sum ? sum - amount : 0;
        assertEq(operators.stakeOf(operator).slashable, left);
        assertEq(operators.stakeOf(operator).stake, own * left / sum);
        assertEq(operators.sponsorshipOf(operator, sponsor).stake, sponsored * left / sum);
        assertEq(token.balanceOf(address(operators)), left);
        assertEq(token.balanceOf(governor), sum - left);
    }

    function testFuzz_setSlasher(address caller, address chosen) external {
        (caller, chosen) = (_caller(caller), uint160(chosen) % 8 == 0 ? address(0) : chosen);
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && chosen == address(0)) {
            reason = abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryAddressZero.selector);
        }
        bytes memory data = abi.encodeCall(operators.setSlasher, (chosen));
        bool goes = _goes(caller, address(operators), data, reason);
        assertEq(operators.slasher(), goes ? chosen : address(0));
        reason = abi.encodeWithSelector(IOperatorRegistry.OperatorRegistrySlasherSet.selector, chosen);
        if (goes) _goes(caller, address(operators), data, reason);
    }

    function testFuzz_setMinimumStake(address caller, uint256 minimum) external {
        (caller, minimum) = (_caller(caller), bound(minimum, 0, 200_000 ether));
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && minimum > 100_000 ether) {
            reason = abi.encodeWithSelector(
                IOperatorRegistry.OperatorRegistryMinimumTooLarge.selector, 100_000 ether, minimum
            );
        }
        bool goes = _goes(caller, address(operators), abi.encodeCall(operators.setMinimumStake, (minimum)), reason);
        assertEq(operators.minimumStake(), goes ? minimum : 0);
    }

    function testFuzz_pause(address caller, bool isPaused) external {
        _checkPause(address(operators), caller, isPaused);
    }

    function testFuzz_unpause(address caller, bool isPaused) external {
        _checkUnpause(address(operators), caller, isPaused);
    }

    function testFuzz_setAuthority(address caller, address next) external {
        _checkSetAuthority(address(operators), caller, next);
    }

    function _topUp(uint256 amount) private {
        _mint(operator, address(operators), amount);
        vm.prank(operator);
        operators.topUp(amount, noPermit);
    }

    function _sponsor(uint256 amount) private {
        _mint(sponsor, address(operators), amount);
        vm.prank(sponsor);
        operators.stakeFor(operator, amount, noPermit);
    }

    /// @dev Around an amount that matters: nothing, that, one more, and anything between.
    function _some(uint256 amount, uint256 most) private pure returns (uint256) {
        if (amount % 8 == 0) return 0;
        return amount % 8 == 1 ? most + 1 : bound(amount, 1, most);
    }

    /// @dev To the second before and at the end of a thaw, and any time.
    function _around(uint256 wait) private pure returns (uint256) {
        return wait % 4 == 0 ? 7 days - 1 : wait % 4 == 1 ? 7 days : bound(wait, 0, 9 days);
    }

    /// @dev Half of the time who may change the operator's keys.
    function _keeper(address random) private returns (address) {
        address desk = address(0x3a1);
        vm.prank(operator);
        operators.setManager(desk);
        return uint160(random) % 4 == 0 ? operator : uint160(random) % 4 == 1 ? desk : random;
    }

    function _unlessKeeper(address caller) private pure returns (bytes memory) {
        if (caller == address(0x0e1) || caller == address(0x3a1)) return "";
        return abi.encodeWithSelector(
            IOperatorRegistry.OperatorRegistryNotManager.selector, address(0x0e1), caller
        );
    }

    function _unlessProof(IOperatorRegistry.NodeProof memory proof, bool isForged, uint256 length)
        private
        view
        returns (bytes memory)
    {
        if (time > proof.validUntil) {
            return abi.encodeWithSelector(
                IOperatorRegistry.OperatorRegistryProofExpired.selector, proof.validUntil, time
            );
        }
        if (isForged) return _proofWrong(proof.node, address(0));
        return length > 256 ? _endpointTooLong(length) : bytes("");
    }

    function _unlessPutIn(uint256 first, uint256 amount, bool isPaused) private pure returns (bytes memory) {
        if (isPaused) return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        if (amount == 0) return _amountZero();
        return first + amount > MOST ? _tooLarge(first + amount) : bytes("");
    }

    function _unlessThawed(address to, uint256 wait) private returns (bytes memory) {
        uint256 endsAt = time + 7 days;
        jump(wait);
        if (to == address(0)) return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryAddressZero.selector);
        if (time >= endsAt) return "";
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryThawRunning.selector, endsAt, time);
    }

    function _requireStake(address holder, uint256 stake, uint256 thawing) private view {
        IOperatorRegistry.StakeInfo memory found = operators.stakeOf(holder);
        assertEq(found.stake, stake);
        assertEq(found.thawing, thawing);
        assertEq(found.slashable, stake + thawing);
        assertEq(token.balanceOf(address(operators)), stake + thawing);
    }

    function _requireSponsored(uint256 stake, uint256 thawing) private view {
        IOperatorRegistry.SponsorshipInfo memory found = operators.sponsorshipOf(operator, sponsor);
        assertEq(found.stake, stake);
        assertEq(found.thawing, thawing);
        assertEq(token.balanceOf(address(operators)), stake + thawing);
        assertEq(operators.stakeOf(operator).stake, 0);
    }

    function _amountZero() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryAmountZero.selector);
    }

    function _thawNone() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryThawNone.selector);
    }

    function _stakeShort(uint256 wanted, uint256 found) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryStakeShort.selector, wanted, found);
    }

    function _tooLarge(uint256 sum) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryStakeTooLarge.selector, MOST, sum);
    }

    function _endpointTooLong(uint256 length) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryEndpointTooLong.selector, 256, length);
    }

    function _proofWrong(address wanted, address found) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryProofWrong.selector, wanted, found);
    }

    function _keyUnknown(address node) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryKeyUnknown.selector, node);
    }

    function _notJoined(address found) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryNotJoined.selector, found);
    }
}
