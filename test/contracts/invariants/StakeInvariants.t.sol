// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IClusterRegistry} from "../../../contracts/interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {StakeSteps} from "./StakeSteps.sol";

/// @notice Random sequences of everybody around stakes: three operators, their sponsors and managers, keys that lie and
/// are revoked or rotated, reporters of both, a cluster's owner, a governor, a guardian and a thief. After every call all
/// stakes, wallets, keys and memberships are what the model says.
contract StakeInvariantsTest is StakeSteps {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(this);
        bytes4[11] memory steps = [
            this.join.selector,
            this.stake.selector,
            this.thaw.selector,
            this.endThaw.selector,
            this.equivocate.selector,
            this.keep.selector,
            this.wait.selector,
            this.govern.selector,
            this.arrange.selector,
            this.steal.selector,
            this.stealRights.selector
        ];
        targets[0].selectors = new bytes4[](steps.length);
        for (uint256 i = 0; i < steps.length; ++i) targets[0].selectors[i] = steps[i];
    }

    function invariant_stakesAreWhatTheModelSays() external view {
        _compareAll();
    }

    function wait(uint256 seed) external {
        jump(seed % 4 == 0 ? seed % 9 days : seed % 1 days);
    }

    /// @dev The governor within its bounds; the guardian pauses and may do nothing else.
    function govern(uint256 seed, uint256 raw) external {
        uint256 what = seed % 5;
        if (what == 0) {
            (uint32 lie, uint32 reward) = (uint32(raw % 60_000), uint32((raw >> 32) % 120_000));
            bool goes = lie >= 10_000 && lie <= 50_000 && reward <= 100_000;
            _call(address(this), address(faults), abi.encodeCall(faults.setPenalties, (lie, reward)), goes);
            if (goes) (equivocationPpm, rewardPpm) = (lie, reward);
        } else if (what == 1) {
            uint256 minimum = (seed >> 8) % 4 == 0 ? 100_000 ether + raw % 2 : raw % 1_000;
            bool goes = minimum <= 100_000 ether;
            _call(address(this), address(operators), abi.encodeCall(operators.setMinimumStake, (minimum)), goes);
            if (goes) minimumStake = minimum;
        } else if (what == 2) {
            bool pauses = (seed >> 8) % 4 == 0;
            bytes memory data = pauses ? abi.encodeCall(operators.pause, ()) : abi.encodeCall(operators.unpause, ());
            _call(pauses ? guardian : address(this), address(operators), data, pauses != paused);
            paused = pauses;
        } else if (what == 3) {
            // Whom the registry obeys was said once and for ever.
            _call(address(this), address(operators), abi.encodeCall(operators.setSlasher, (thief)), false);
        } else {
            bytes memory data = abi.encodeCall(operators.setMinimumStake, (0));
            if ((seed >> 8) % 2 == 0) data = abi.encodeCall(operators.unpause, ());
            _call(guardian, address(operators), data, false);
        }
    }

    /// @dev What the cluster's owner and operators agree on.
    function arrange(uint256 seed, uint256 raw) external {
        (uint256 what, uint256 o) = (seed % 5, (seed >> 8) % OPERATORS);
        if (what == 0) return _setShare(uint32(raw % 1_200_000));
        if (what == 1) {
            terms.open = (seed >> 16) % 2 == 0;
            IClusterRegistry.Admission admission =
                terms.open ? IClusterRegistry.Admission.Open : IClusterRegistry.Admission.Approval;
            return clusters.setAccess(cluster, IClusterRegistry.Visibility.Listed, admission);
        }
        IClusterRegistry.MembershipInfo storage member = members[o];
        if (what == 2) {
            member.approved = (seed >> 16) % 2 == 0;
            member.refused = !member.approved;
            clusters.setApproval(cluster, operatorAt(o), member.approved);
        } else if (what == 3) {
            bool leaves = member.accepted;
            _call(operatorAt(o), address(clusters), abi.encodeCall(clusters.leaveCluster, (cluster)), leaves);
            if (leaves) (member.accepted, member.approved, member.acceptedPpm) = (false, false, 0);
        } else {
            _accept(member, operatorAt(o), joined[o], uint32(raw % 1_200_000));
        }
    }

    /// @dev What a thief could try on another's stake.
    function steal(uint256 seed, uint256 raw) external {
        (address operator, uint256 amount, uint256 what) = (operatorAt((seed >> 8) % 3), _amount(raw), seed % 9);
        IOperatorRegistry.Permit memory none;
        bytes memory data = abi.encodeCall(operators.slash, (operator, amount));
        if (what == 1) data = abi.encodeCall(operators.topUp, (amount, none));
        if (what == 2) data = abi.encodeCall(operators.thaw, (amount));
        if (what == 3) data = abi.encodeCall(operators.cancelThaw, ());
        if (what == 4) data = abi.encodeCall(operators.withdraw, (thief));
        if (what == 5) data = abi.encodeCall(operators.stakeFor, (operator, amount, none));
        if (what == 6) data = abi.encodeCall(operators.thawSponsored, (operator, amount));
        if (what == 7) data = abi.encodeCall(operators.cancelSponsoredThaw, (operator));
        if (what == 8) data = abi.encodeCall(operators.withdrawSponsored, (operator, thief));
        _call(thief, address(operators), data, false);
    }

    /// @dev What a thief could try on another's keys and rights.
    function stealRights(uint256 seed) external {
        (uint256 o, uint256 what) = ((seed >> 8) % OPERATORS, seed % 16);
        address operator = operatorAt(o);
        address node = vm.addr(FIRST_NODE_KEY + (seed >> 16) % KEYS);
        // Made for the operator: it serves no one else.
        IOperatorRegistry.NodeProof memory proof = nodeProofOf(operator, FIRST_NODE_KEY + (seed >> 24) % KEYS);
        address target = what < 7 ? address(operators) : what < 12 ? address(clusters) : address(faults);
        bytes memory data = abi.encodeCall(operators.addNode, (operator, proof, ""));
        if (what == 1) data = abi.encodeCall(operators.rotateNode, (node, proof, ""));
        if (what == 2) data = abi.encodeCall(operators.revokeNode, (node));
        if (what == 3) data = abi.encodeCall(operators.setEndpoint, (node, "https://thief"));
        if (what == 4) data = abi.encodeCall(operators.setManager, (thief));
        if (what == 5) data = abi.encodeCall(operators.setSlasher, (thief));
        if (what == 6) data = abi.encodeCall(operators.pause, ());
        if (what == 7) data = abi.encodeCall(clusters.acceptFor, (operator, cluster, 1_000_000));
        if (what == 8) data = abi.encodeCall(clusters.setShare, (cluster, 0));
        if (what == 9) data = abi.encodeCall(clusters.setApproval, (cluster, operator, false));
        if (what == 10) data = abi.encodeCall(clusters.accept, (cluster, 1_000_000));
        if (what == 11) data = abi.encodeCall(clusters.leaveCluster, (cluster));
        if (what == 12) data = abi.encodeCall(faults.setPenalties, (10_000, 0));
        if (what == 13) data = abi.encodeCall(faults.setSequencerFeed, (thief));
        if (what == 14) data = abi.encodeCall(faults.withdrawCredit, (thief));
        if (what == 15) data = abi.encodeCall(faults.pause, ());
        _call(thief, target, data, false);
    }

    function _setShare(uint32 sharePpm) private {
        bool goes = sharePpm <= PPM;
        _call(address(this), address(clusters), abi.encodeCall(clusters.setShare, (cluster, sharePpm)), goes);
        if (!goes) return;
        uint256 current = _sharePpm();
        if (sharePpm <= current) (terms.sharePpm, terms.nextShareAt) = (sharePpm, 0);
        else (terms.sharePpm, terms.nextSharePpm, terms.nextShareAt) = (current, sharePpm, time + THAW);
    }

    /// @dev Nobody is in under a share above what itself accepted.
    function _accept(
        IClusterRegistry.MembershipInfo storage member,
        address operator,
        bool isOperator,
        uint32 maximumPpm
    ) private {
        bool goes = isOperator && maximumPpm <= PPM && _sharePpm() <= maximumPpm && !member.refused;
        _call(operator, address(clusters), abi.encodeCall(clusters.accept, (cluster, maximumPpm)), goes);
        if (!goes) return;
        (member.accepted, member.everAccepted, member.acceptedPpm) = (true, true, maximumPpm);
        member.approved = member.approved || terms.open;
        if (maximumPpm > member.highestAcceptedPpm) member.highestAcceptedPpm = maximumPpm;
    }
}
