// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IClusterRegistry} from "./interfaces/IClusterRegistry.sol";
import {ClusterAccounts} from "./libraries/ClusterAccounts.sol";
import {ClusterBalancers} from "./clusters/ClusterBalancers.sol";
import {ClusterMembers} from "./clusters/ClusterMembers.sol";

/// @title ClusterRegistry
contract ClusterRegistry is ClusterMembers {
    /// @dev Bounds that no governor can move.
    uint256 public constant MAXIMUM_TERMS_BYTES = 512;
    /// @dev By how much the notice of a transfer is longer than the thaw: who distrusts the new owner gets out first.
    uint256 public constant TRANSFER_MARGIN = 1 days;
    /// @dev A notice that nobody acted on goes stale: years later, nobody would remember it.
    uint256 public constant TRANSFER_WINDOW = 30 days;

    uint256 private _clusterCount;

    constructor(address authority, address operatorRegistry_, uint256 thawPeriod_)
        ClusterBalancers(authority, thawPeriod_)
        ClusterMembers(operatorRegistry_)
    {}

    /// @inheritdoc IClusterRegistry
    function create(
        string calldata terms,
        Visibility visibility,
        Admission admission,
        uint32 sharePpm,
        BalancerProof[] calldata balancers
    ) external whenNotPaused returns (uint256 cluster) {
        _requireShare(sharePpm);
        cluster = ++_clusterCount;
        Cluster storage created = _clusters[cluster];
        created.owner = msg.sender;
        created.visibility = visibility;
        created.admission = admission;
        created.sharePpm = sharePpm;
        emit ClusterCreated(cluster, msg.sender, ClusterAccounts.accountOf(cluster));
        emit ClusterAccessChanged(cluster, visibility, admission);
        emit ClusterShareChanged(cluster, sharePpm, block.timestamp);
        _setTerms(cluster, terms);
        // Bounded: more than MAXIMUM_BALANCERS are refused.
        for (uint256 i = 0; i < balancers.length; ++i) {
            _addBalancer(cluster, balancers[i]);
        }
    }

    /// @inheritdoc IClusterRegistry
    function setTerms(uint256 cluster, string calldata terms) external onlyOwner(cluster) {
        _setTerms(cluster, terms);
    }

    /// @inheritdoc IClusterRegistry
    function setAccess(uint256 cluster, Visibility visibility, Admission admission) external onlyOwner(cluster) {
        _clusters[cluster].visibility = visibility;
        _clusters[cluster].admission = admission;
        emit ClusterAccessChanged(cluster, visibility, admission);
    }

    /// @inheritdoc IClusterRegistry
    function startTransfer(uint256 cluster, address newOwner) external onlyOwner(cluster) {
        if (newOwner == address(0)) revert ClusterRegistryAddressZero();
        uint48 transferAt = uint48(block.timestamp + _thawPeriod + TRANSFER_MARGIN);
        _clusters[cluster].pendingOwner = newOwner;
        _clusters[cluster].transferAt = transferAt;
        emit ClusterTransferStarted(cluster, newOwner, transferAt);
    }

    /// @inheritdoc IClusterRegistry
    function cancelTransfer(uint256 cluster) external onlyOwner(cluster) {
        if (_clusters[cluster].pendingOwner == address(0)) revert ClusterRegistryTransferNone(cluster);
        _clusters[cluster].pendingOwner = address(0);
        _clusters[cluster].transferAt = 0;
        emit ClusterTransferCanceled(cluster);
    }

    /// @inheritdoc IClusterRegistry
    function acceptTransfer(uint256 cluster) external {
        Cluster storage found = _clusters[cluster];
        address pending = found.pendingOwner;
        if (pending == address(0)) revert ClusterRegistryTransferNone(cluster);
        if (pending != msg.sender) revert ClusterRegistryNotPendingOwner(pending, msg.sender);
        uint256 transferAt = found.transferAt;
        if (block.timestamp < transferAt) revert ClusterRegistryTransferEarly(transferAt, block.timestamp);
        if (block.timestamp > transferAt + TRANSFER_WINDOW) {
            revert ClusterRegistryTransferLate(transferAt + TRANSFER_WINDOW, block.timestamp);
        }
        address oldOwner = found.owner;
        found.owner = pending;
        found.pendingOwner = address(0);
        found.transferAt = 0;
        emit ClusterTransferred(cluster, oldOwner, pending);
        _endAllBalancers(cluster);
    }

    /// @inheritdoc IClusterRegistry
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IClusterRegistry
    function unpause() external restricted {
        _unpause();
    }

    /// @inheritdoc IClusterRegistry
    function accountOf(uint256 cluster) external pure returns (address) {
        return ClusterAccounts.accountOf(cluster);
    }

    /// @inheritdoc IClusterRegistry
    function ownerOf(uint256 cluster) external view returns (address) {
        return _clusters[cluster].owner;
    }

    /// @inheritdoc IClusterRegistry
    function clusterOf(uint256 cluster) external view returns (ClusterInfo memory) {
        Cluster storage found = _clusters[cluster];
        bool isPending = found.nextShareAt != 0 && block.timestamp < found.nextShareAt;
        return ClusterInfo({
            owner: found.owner,
            visibility: found.visibility,
            admission: found.admission,
            sharePpm: _shareOf(found),
            nextSharePpm: isPending ? found.nextSharePpm : 0,
            nextShareAt: isPending ? found.nextShareAt : 0,
            pendingOwner: found.pendingOwner,
            transferAt: found.transferAt,
            terms: found.terms
        });
    }

    /// @inheritdoc IClusterRegistry
    function clusterCount() external view returns (uint256) {
        return _clusterCount;
    }

    function _setTerms(uint256 cluster, string calldata terms) private {
        uint256 length = bytes(terms).length;
        if (length > MAXIMUM_TERMS_BYTES) revert ClusterRegistryTermsTooLong(MAXIMUM_TERMS_BYTES, length);
        _clusters[cluster].terms = terms;
        emit ClusterTermsChanged(cluster, terms);
    }
}
