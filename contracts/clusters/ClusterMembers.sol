// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IClusterRegistry} from "../interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {ClusterBalancers} from "./ClusterBalancers.sol";

/// @title Who is in a cluster, and which share of pay it takes
abstract contract ClusterMembers is ClusterBalancers {
    uint256 public constant MAXIMUM_SHARE_PPM = 1_000_000;

    IOperatorRegistry internal immutable _operatorRegistry;

    mapping(uint256 cluster => mapping(address operator => MembershipInfo)) private _memberships;

    constructor(address operatorRegistry_) {
        _operatorRegistry = IOperatorRegistry(operatorRegistry_);
        // The two registries name each other for ever; a wrong address would be found only at the first join.
        address named = _operatorRegistry.clusterRegistry();
        if (named != address(this)) revert ClusterRegistryWiringWrong(address(this), named);
    }

    /// @inheritdoc IClusterRegistry
    function setShare(uint256 cluster, uint32 sharePpm) external onlyOwner(cluster) {
        _requireShare(sharePpm);
        Cluster storage found = _clusters[cluster];
        uint32 current = _shareOf(found);
        uint48 effectiveAt = uint48(block.timestamp);
        if (sharePpm <= current) {
            found.sharePpm = sharePpm;
            found.nextShareAt = 0;
        } else {
            effectiveAt += uint48(_thawPeriod);
            found.sharePpm = current;
            found.nextSharePpm = sharePpm;
            found.nextShareAt = effectiveAt;
        }
        emit ClusterShareChanged(cluster, sharePpm, effectiveAt);
    }

    /// @inheritdoc IClusterRegistry
    function setApproval(uint256 cluster, address operator, bool approved) external onlyOwner(cluster) {
        MembershipInfo storage membership = _memberships[cluster][operator];
        membership.approved = approved;
        membership.refused = !approved;
        emit MemberApprovalChanged(cluster, operator, approved);
    }

    /// @inheritdoc IClusterRegistry
    function accept(uint256 cluster, uint32 maximumSharePpm) external whenNotPaused {
        if (!_operatorRegistry.isOperator(msg.sender)) revert ClusterRegistryNotOperator(msg.sender);
        _accept(msg.sender, cluster, maximumSharePpm);
    }

    /// @inheritdoc IClusterRegistry
    function acceptFor(address operator, uint256 cluster, uint32 maximumSharePpm) external whenNotPaused {
        if (msg.sender != address(_operatorRegistry)) {
            revert ClusterRegistryNotOperatorRegistry(address(_operatorRegistry), msg.sender);
        }
        _accept(operator, cluster, maximumSharePpm);
    }

    /// @inheritdoc IClusterRegistry
    function leaveCluster(uint256 cluster) external {
        MembershipInfo storage membership = _memberships[cluster][msg.sender];
        if (!membership.accepted) revert ClusterRegistryNotMember(cluster, msg.sender);
        membership.accepted = false;
        // Who comes back asks again: the cluster may want approval by then.
        membership.approved = false;
        membership.acceptedPpm = 0;
        emit MemberLeft(cluster, msg.sender);
    }

    /// @inheritdoc IClusterRegistry
    function membershipOf(uint256 cluster, address operator) external view returns (MembershipInfo memory) {
        return _memberships[cluster][operator];
    }

    /// @inheritdoc IClusterRegistry
    function isMember(uint256 cluster, address operator) external view returns (bool) {
        MembershipInfo storage membership = _memberships[cluster][operator];
        return membership.accepted && membership.approved;
    }

    /// @inheritdoc IClusterRegistry
    function highestAcceptedShare(uint256 cluster, address operator) external view returns (bool, uint32) {
        MembershipInfo storage membership = _memberships[cluster][operator];
        return (membership.everAccepted, membership.highestAcceptedPpm);
    }

    /// @inheritdoc IClusterRegistry
    function operatorRegistry() external view returns (address) {
        return address(_operatorRegistry);
    }

    function _requireShare(uint32 sharePpm) internal pure {
        if (sharePpm > MAXIMUM_SHARE_PPM) revert ClusterRegistryShareTooLarge(MAXIMUM_SHARE_PPM, sharePpm);
    }

    function _shareOf(Cluster storage found) internal view returns (uint32) {
        bool isRaised = found.nextShareAt != 0 && block.timestamp >= found.nextShareAt;
        return isRaised ? found.nextSharePpm : found.sharePpm;
    }

    function _accept(address operator, uint256 cluster, uint32 maximumSharePpm) private {
        Cluster storage found = _clusters[cluster];
        if (found.owner == address(0)) revert ClusterRegistryUnknown(cluster);
        _requireShare(maximumSharePpm);
        uint32 sharePpm = _shareOf(found);
        if (sharePpm > maximumSharePpm) revert ClusterRegistryShareAboveAccepted(sharePpm, maximumSharePpm);
        MembershipInfo storage membership = _memberships[cluster][operator];
        if (membership.refused) revert ClusterRegistryMemberRefused(cluster, operator);
        membership.accepted = true;
        membership.everAccepted = true;
        bool approved = found.admission == Admission.Open || membership.approved;
        membership.approved = approved;
        membership.acceptedPpm = maximumSharePpm;
        if (maximumSharePpm > membership.highestAcceptedPpm) membership.highestAcceptedPpm = maximumSharePpm;
        emit MemberAccepted(cluster, operator, maximumSharePpm, approved);
    }
}
