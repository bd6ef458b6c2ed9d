// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IClusterRegistry} from "../../../contracts/interfaces/IClusterRegistry.sol";
import {FuzzWorld} from "../support/FuzzWorld.sol";

/// @notice Each function that changes something, with any input.
contract ClusterRegistryFuzzTest is FuzzWorld {
    uint256 private constant PPM = 1_000_000;

    function testFuzz_create(uint256 length, uint32 sharePpm, uint256 count, bool isPaused) external {
        length = bound(length, 0, 600);
        sharePpm = uint32(bound(sharePpm, 0, 1_100_000));
        count = bound(count, 0, 34);
        if (isPaused) clusters.pause();
        IClusterRegistry.BalancerProof[] memory proofs = new IClusterRegistry.BalancerProof[](count);
        for (uint256 i = 0; i < count; ++i) proofs[i] = balancerProofOf(2, governor, 0x1000 + i);
        bytes memory reason;
        if (isPaused) reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        else if (sharePpm > PPM) reason = _shareTooLarge(sharePpm);
        else if (length > 512) reason = _termsTooLong(length);
        else if (count > 32) reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryBalancersTooMany.selector, 32);
        bytes memory data = abi.encodeCall(
            clusters.create,
            (string(new bytes(length)), IClusterRegistry.Visibility.Unlisted, IClusterRegistry.Admission.Approval, sharePpm, proofs)
        );
        bool goes = _goes(governor, address(clusters), data, reason);
        assertEq(clusters.clusterCount(), goes ? 2 : 1);
        assertEq(clusters.ownerOf(2), goes ? governor : address(0));
        assertEq(clusters.balancersOf(2).length, goes ? count : 0);
        assertEq(clusters.clusterOf(2).sharePpm, goes ? sharePpm : 0);
        assertEq(bytes(clusters.clusterOf(2).terms).length, goes ? length : 0);
    }

    /// @dev A proof of any key for any owner, of any age.
    function testFuzz_addBalancer(address caller, uint64 validUntil, uint256 key, bool isForged) external {
        caller = _caller(caller);
        key = bound(key, 1, 1e30);
        IClusterRegistry.BalancerProof memory proof = balancerProofOf(cluster, isForged ? address(token) : governor, key);
        bool isLate = validUntil < time;
        if (isLate) proof.validUntil = validUntil;
        bytes memory data = abi.encodeCall(clusters.addBalancer, (cluster, proof));
        address added = proof.balancer;
        if (caller != governor || isLate) {
            bytes memory reason = caller != governor
                ? _notOwner(caller)
                : abi.encodeWithSelector(IClusterRegistry.ClusterRegistryProofExpired.selector, validUntil, time);
            _goes(caller, address(clusters), data, reason);
            return;
        }
        vm.prank(caller);
        (bool success, bytes memory found) = address(clusters).call(data);
        assertTrue(success != isForged);
        if (isForged) assertEq(bytes32(bytes4(found)), bytes32(IClusterRegistry.ClusterRegistryProofWrong.selector));
        assertTrue(clusters.isBalancer(cluster, added) == success);
        assertTrue(clusters.isVoucherSigner(cluster, added) == success);
        assertEq(clusters.balancersOf(cluster).length, success ? 2 : 1);
    }

    /// @dev Its vouchers count for one thaw, to the second; no other key goes.
    function testFuzz_removeBalancer(address caller, uint256 count, uint256 which, uint256 wait) external {
        caller = _caller(caller);
        count = bound(count, 1, 8);
        which = bound(which, 0, 9);
        wait = bound(wait, 0, 8 days);
        for (uint256 i = 1; i < count; ++i) clusters.addBalancer(cluster, balancerProofOf(cluster, governor, BALANCER_KEY + i));
        address removed = vm.addr(BALANCER_KEY + which);
        bytes memory reason;
        if (caller != governor) reason = _notOwner(caller);
        else if (which >= count) {
            reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryBalancerUnknown.selector, cluster, removed);
        }
        bytes memory data = abi.encodeCall(clusters.removeBalancer, (cluster, removed));
        bool goes = _goes(caller, address(clusters), data, reason);
        assertEq(clusters.balancersOf(cluster).length, goes ? count - 1 : count);
        jump(wait);
        for (uint256 i = 0; i < count; ++i) {
            bool isGone = goes && i == which;
            address one = vm.addr(BALANCER_KEY + i);
            assertTrue(clusters.isBalancer(cluster, one) != isGone);
            assertTrue(clusters.isVoucherSigner(cluster, one) == (!isGone || wait <= 7 days));
        }
    }

    function testFuzz_setTerms(address caller, uint256 length, uint256 id) external {
        (caller, length, id) = (_caller(caller), bound(length, 0, 600), bound(id, 1, 2));
        bytes memory reason = _unlessOwner(caller, id);
        if (reason.length == 0 && length > 512) reason = _termsTooLong(length);
        bytes memory data = abi.encodeCall(clusters.setTerms, (id, string(new bytes(length))));
        bool goes = _goes(caller, address(clusters), data, reason);
        assertEq(bytes(clusters.clusterOf(cluster).terms).length, goes ? length : 0);
    }

    function testFuzz_setAccess(address caller, bool isUnlisted, bool isClosed) external {
        caller = _caller(caller);
        IClusterRegistry.Visibility visibility = IClusterRegistry.Visibility(isUnlisted ? 1 : 0);
        IClusterRegistry.Admission admission = IClusterRegistry.Admission(isClosed ? 1 : 0);
        bytes memory data = abi.encodeCall(clusters.setAccess, (cluster, visibility, admission));
        bool goes = _goes(caller, address(clusters), data, _unlessOwner(caller, cluster));
        assertTrue((clusters.clusterOf(cluster).visibility == IClusterRegistry.Visibility.Unlisted) == (goes && isUnlisted));
        assertTrue((clusters.clusterOf(cluster).admission == IClusterRegistry.Admission.Approval) == (goes && isClosed));
    }

    /// @dev Down at once, up after a thaw.
    function testFuzz_setShare(address caller, uint32 sharePpm, uint256 wait) external {
        (caller, wait) = (_caller(caller), bound(wait, 0, 14 days));
        sharePpm = uint32(bound(sharePpm, 0, 1_100_000));
        bytes memory reason = _unlessOwner(caller, cluster);
        if (reason.length == 0 && sharePpm > PPM) reason = _shareTooLarge(sharePpm);
        bool goes = _goes(caller, address(clusters), abi.encodeCall(clusters.setShare, (cluster, sharePpm)), reason);
        jump(wait);
        bool isNew = goes && (sharePpm <= SHARE_PPM || wait >= 7 days);
        assertEq(clusters.clusterOf(cluster).sharePpm, isNew ? sharePpm : SHARE_PPM);
    }

    function testFuzz_setApproval(address caller, address operator, bool isApproved) external {
        caller = _caller(caller);
        bytes memory data = abi.encodeCall(clusters.setApproval, (cluster, operator, isApproved));
        IClusterRegistry.MembershipInfo memory member = clusters.membershipOf(cluster, operator);
        if (_goes(caller, address(clusters), data, _unlessOwner(caller, cluster))) {
            (member.approved, member.refused) = (isApproved, !isApproved);
        }
        _requireMember(operator, member);
    }

    function testFuzz_accept(uint256 who, uint32 maximumPpm, uint256 id, bool isRefused) external {
        (who, id) = (bound(who, 0, 2), bound(id, 1, 2));
        address caller = who == 2 ? address(token) : owners[who];
        bytes memory data = abi.encodeCall(clusters.accept, (id, maximumPpm));
        bytes memory reason = who == 2
            ? abi.encodeWithSelector(IClusterRegistry.ClusterRegistryNotOperator.selector, caller)
            : _unlessAcceptable(caller, id, maximumPpm, isRefused);
        _checkAccepted(caller, _goes(caller, address(clusters), data, reason), maximumPpm, isRefused);
    }

    /// @dev The operator registry alone, for one that joins.
    function testFuzz_acceptFor(address caller, address operator, uint32 maximumPpm, uint256 id) external {
        (caller, id) = (uint160(caller) % 3 == 0 ? address(operators) : caller, bound(id, 1, 2));
        bytes memory data = abi.encodeCall(clusters.acceptFor, (operator, id, maximumPpm));
        bytes memory reason = caller != address(operators)
            ? abi.encodeWithSelector(
                IClusterRegistry.ClusterRegistryNotOperatorRegistry.selector, address(operators), caller
            )
            : _unlessAcceptable(operator, id, maximumPpm, false);
        if (!_goes(caller, address(clusters), data, reason)) return;
        assertTrue(clusters.isMember(cluster, operator));
        assertEq(clusters.membershipOf(cluster, operator).acceptedPpm, maximumPpm);
    }

    function testFuzz_leaveCluster(uint256 who, bool isTwice) external {
        address caller = bound(who, 0, 2) == 2 ? address(token) : owners[bound(who, 0, 2)];
        bytes memory data = abi.encodeCall(clusters.leaveCluster, (cluster));
        bytes memory reason =
            abi.encodeWithSelector(IClusterRegistry.ClusterRegistryNotMember.selector, cluster, caller);
        bool goes = _goes(caller, address(clusters), data, caller == address(token) ? reason : bytes(""));
        if (isTwice) _goes(caller, address(clusters), data, reason);
        assertTrue(!clusters.isMember(cluster, caller));
        (bool ever, uint32 highest) = clusters.highestAcceptedShare(cluster, caller);
        // Vouchers of its time stay collectable.
        assertTrue(ever == goes);
        assertEq(highest, goes ? SHARE_PPM : 0);
    }

    function testFuzz_startTransfer(address caller, address heir) external {
        caller = _caller(caller);
        bytes memory reason = _unlessOwner(caller, cluster);
        if (reason.length == 0 && heir == address(0)) {
            reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryAddressZero.selector);
        }
        bytes memory data = abi.encodeCall(clusters.startTransfer, (cluster, heir));
        bool goes = _goes(caller, address(clusters), data, reason);
        assertEq(clusters.clusterOf(cluster).pendingOwner, goes ? heir : address(0));
        assertEq(clusters.clusterOf(cluster).transferAt, goes ? time + 8 days : 0);
        assertEq(clusters.ownerOf(cluster), governor);
    }

    function testFuzz_cancelTransfer(address caller, bool isPending) external {
        caller = _caller(caller);
        if (isPending) clusters.startTransfer(cluster, owners[0]);
        bytes memory reason = _unlessOwner(caller, cluster);
        if (reason.length == 0 && !isPending) reason = _transferNone();
        bytes memory data = abi.encodeCall(clusters.cancelTransfer, (cluster));
        bool goes = _goes(caller, address(clusters), data, reason);
        assertEq(clusters.clusterOf(cluster).pendingOwner, isPending && !goes ? owners[0] : address(0));
    }

    /// @dev From the end of the notice until it is stale, to the second. The old owner's keys end with it.
    function testFuzz_acceptTransfer(address caller, uint256 wait, bool isPending) external {
        address heir = owners[0];
        caller = uint160(caller) % 4 == 0 ? caller : heir;
        wait = wait % 5 == 0 ? 8 days + wait % 2 * 30 days : bound(wait, 7 days, 40 days);
        (uint256 from, uint256 until) = (time + 8 days, time + 38 days);
        if (isPending) clusters.startTransfer(cluster, heir);
        jump(wait);
        bytes memory reason;
        if (!isPending) {
            reason = _transferNone();
        } else if (caller != heir) {
            reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryNotPendingOwner.selector, heir, caller);
        } else if (time < from) {
            reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryTransferEarly.selector, from, time);
        } else if (time > until) {
            reason = abi.encodeWithSelector(IClusterRegistry.ClusterRegistryTransferLate.selector, until, time);
        }
        bool goes = _goes(caller, address(clusters), abi.encodeCall(clusters.acceptTransfer, (cluster)), reason);
        assertEq(clusters.ownerOf(cluster), goes ? heir : governor);
        assertTrue(clusters.isBalancer(cluster, vm.addr(BALANCER_KEY)) != goes);
        assertTrue(clusters.isVoucherSigner(cluster, vm.addr(BALANCER_KEY)));
    }

    function testFuzz_pause(address caller, bool isPaused) external {
        _checkPause(address(clusters), caller, isPaused);
    }

    function testFuzz_unpause(address caller, bool isPaused) external {
        _checkUnpause(address(clusters), caller, isPaused);
    }

    function testFuzz_setAuthority(address caller, address next) external {
        _checkSetAuthority(address(clusters), caller, next);
    }

    function _unlessAcceptable(address operator, uint256 id, uint32 maximumPpm, bool isRefused)
        private
        returns (bytes memory)
    {
        if (isRefused) clusters.setApproval(cluster, operator, false);
        if (id != cluster) return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryUnknown.selector, id);
        if (maximumPpm > PPM) return _shareTooLarge(maximumPpm);
        if (maximumPpm < SHARE_PPM) {
            return abi.encodeWithSelector(
                IClusterRegistry.ClusterRegistryShareAboveAccepted.selector, SHARE_PPM, maximumPpm
            );
        }
        if (!isRefused) return "";
        return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryMemberRefused.selector, cluster, operator);
    }

    function _checkAccepted(address operator, bool goes, uint32 maximumPpm, bool isRefused) private view {
        bool isOperator = operator != address(token);
        IClusterRegistry.MembershipInfo memory member;
        (member.accepted, member.everAccepted) = (isOperator, isOperator);
        (member.refused, member.approved) = (isOperator && isRefused, isOperator && !isRefused);
        member.acceptedPpm = goes ? maximumPpm : isOperator ? SHARE_PPM : 0;
        member.highestAcceptedPpm = member.acceptedPpm;
        _requireMember(operator, member);
    }

    function _requireMember(address operator, IClusterRegistry.MembershipInfo memory member) private view {
        assertEq(keccak256(abi.encode(clusters.membershipOf(cluster, operator))), keccak256(abi.encode(member)));
    }

    function _unlessOwner(address caller, uint256 id) private view returns (bytes memory) {
        if (id != cluster) return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryUnknown.selector, id);
        return caller == governor ? bytes("") : _notOwner(caller);
    }

    function _notOwner(address caller) private view returns (bytes memory) {
        return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryNotOwner.selector, governor, caller);
    }

    function _shareTooLarge(uint256 sharePpm) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryShareTooLarge.selector, PPM, sharePpm);
    }

    function _termsTooLong(uint256 length) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryTermsTooLong.selector, 512, length);
    }

    function _transferNone() private view returns (bytes memory) {
        return abi.encodeWithSelector(IClusterRegistry.ClusterRegistryTransferNone.selector, cluster);
    }
}
