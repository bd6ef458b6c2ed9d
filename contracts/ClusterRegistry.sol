// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClusterRegistry} from "./interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {ClusterAccounts} from "./libraries/ClusterAccounts.sol";

/// @title ClusterRegistry
contract ClusterRegistry is IClusterRegistry, AccessManaged, Pausable, EIP712 {
    /// @dev Bounds that no governor can move.
    uint256 public constant MINIMUM_THAW = 1 hours;
    uint256 public constant MAXIMUM_THAW = 28 days;
    uint256 public constant MAXIMUM_SHARE_PPM = 1_000_000;
    uint256 public constant MAXIMUM_TERMS_BYTES = 512;
    /// @dev By how much the notice of a transfer is longer than the thaw: who distrusts the new owner gets out first.
    uint256 public constant TRANSFER_MARGIN = 1 days;

    bytes32 private constant _BALANCER_POSSESSION_TYPE_HASH =
        keccak256("BalancerPossession(uint256 cluster,address owner,address balancer,uint64 validUntil)");
    uint64 private constant _CURRENT = type(uint64).max;

    /// @dev Two slots and the terms: the first is all that joining reads, the second holds what is pending.
    struct Cluster {
        address owner;
        Visibility visibility;
        Admission admission;
        uint32 sharePpm;
        uint32 nextSharePpm;
        address pendingOwner;
        uint48 transferAt;
        uint48 nextShareAt;
        string terms;
    }

    IOperatorRegistry private immutable _operatorRegistry;
    uint256 private immutable _thawPeriod;

    uint256 private _clusterCount;
    mapping(uint256 cluster => Cluster) private _clusters;
    /// @dev Until when a key's vouchers count: 0 it never was a balancer, `_CURRENT` it is one, else it was removed.
    mapping(uint256 cluster => mapping(address balancer => uint64 validUntil)) private _balancers;
    mapping(uint256 cluster => mapping(address operator => MembershipInfo)) private _memberships;

    constructor(address authority, address operatorRegistry_, uint256 thawPeriod_)
        AccessManaged(authority)
        EIP712("Leat", "1")
    {
        if (thawPeriod_ < MINIMUM_THAW || thawPeriod_ > MAXIMUM_THAW) {
            revert ClusterRegistryThawOutOfBounds(MAXIMUM_THAW, thawPeriod_);
        }
        _operatorRegistry = IOperatorRegistry(operatorRegistry_);
        _thawPeriod = thawPeriod_;
        // The two registries name each other for ever; a wrong address would be found only at the first join.
        address named = _operatorRegistry.clusterRegistry();
        if (named != address(this)) revert ClusterRegistryWiringWrong(address(this), named);
    }

    modifier onlyOwner(uint256 cluster) {
        address owner = _clusters[cluster].owner;
        if (owner == address(0)) revert ClusterRegistryUnknown(cluster);
        if (owner != msg.sender) revert ClusterRegistryNotOwner(owner, msg.sender);
        _;
    }

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
        for (uint256 i = 0; i < balancers.length; ++i) {
            _addBalancer(cluster, balancers[i]);
        }
    }

    /// @inheritdoc IClusterRegistry
    function addBalancer(uint256 cluster, BalancerProof calldata proof) external whenNotPaused onlyOwner(cluster) {
        _addBalancer(cluster, proof);
    }

    /// @inheritdoc IClusterRegistry
    function removeBalancer(uint256 cluster, address balancer) external onlyOwner(cluster) {
        if (_balancers[cluster][balancer] != _CURRENT) revert ClusterRegistryBalancerUnknown(cluster, balancer);
        uint64 validUntil = uint64(block.timestamp + _thawPeriod);
        _balancers[cluster][balancer] = validUntil;
        emit BalancerRemoved(cluster, balancer, validUntil);
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
        _memberships[cluster][operator].approved = approved;
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
        membership.acceptedPpm = 0;
        emit MemberLeft(cluster, msg.sender);
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
        if (block.timestamp < found.transferAt) revert ClusterRegistryTransferEarly(found.transferAt, block.timestamp);
        address oldOwner = found.owner;
        found.owner = pending;
        found.pendingOwner = address(0);
        found.transferAt = 0;
        emit ClusterTransferred(cluster, oldOwner, pending);
    }

    /// @inheritdoc IClusterRegistry
    function setPaused(bool paused_) external restricted {
        if (paused_) _pause();
        else _unpause();
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
    function isBalancer(uint256 cluster, address balancer) external view returns (bool) {
        return _balancers[cluster][balancer] == _CURRENT;
    }

    /// @inheritdoc IClusterRegistry
    function isVoucherSigner(uint256 cluster, address balancer) external view returns (bool) {
        return _balancers[cluster][balancer] >= block.timestamp;
    }

    /// @inheritdoc IClusterRegistry
    function clusterCount() external view returns (uint256) {
        return _clusterCount;
    }

    /// @inheritdoc IClusterRegistry
    function operatorRegistry() external view returns (address) {
        return address(_operatorRegistry);
    }

    /// @inheritdoc IClusterRegistry
    function thawPeriod() external view returns (uint256) {
        return _thawPeriod;
    }

    /// @inheritdoc IClusterRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _accept(address operator, uint256 cluster, uint32 maximumSharePpm) private {
        Cluster storage found = _clusters[cluster];
        if (found.owner == address(0)) revert ClusterRegistryUnknown(cluster);
        _requireShare(maximumSharePpm);
        uint32 sharePpm = _shareOf(found);
        if (sharePpm > maximumSharePpm) revert ClusterRegistryShareAboveAccepted(sharePpm, maximumSharePpm);
        MembershipInfo storage membership = _memberships[cluster][operator];
        membership.accepted = true;
        membership.everAccepted = true;
        if (found.admission == Admission.Open) membership.approved = true;
        membership.acceptedPpm = maximumSharePpm;
        if (maximumSharePpm > membership.highestAcceptedPpm) membership.highestAcceptedPpm = maximumSharePpm;
        emit MemberAccepted(cluster, operator, maximumSharePpm);
    }

    function _addBalancer(uint256 cluster, BalancerProof calldata proof) private {
        if (_balancers[cluster][proof.balancer] != 0) revert ClusterRegistryBalancerUsed(cluster, proof.balancer);
        if (block.timestamp > proof.validUntil) {
            revert ClusterRegistryProofExpired(proof.validUntil, block.timestamp);
        }
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(_BALANCER_POSSESSION_TYPE_HASH, cluster, msg.sender, proof.balancer, proof.validUntil)
            )
        );
        (address signer,,) = ECDSA.tryRecover(digest, proof.r, proof.vs);
        // A malformed signature recovers to zero, which must not pass for the key that is zero.
        if (signer != proof.balancer || signer == address(0)) {
            revert ClusterRegistryProofWrong(proof.balancer, signer);
        }
        _balancers[cluster][proof.balancer] = _CURRENT;
        emit BalancerAdded(cluster, proof.balancer);
    }

    function _setTerms(uint256 cluster, string calldata terms) private {
        uint256 length = bytes(terms).length;
        if (length > MAXIMUM_TERMS_BYTES) revert ClusterRegistryTermsTooLong(MAXIMUM_TERMS_BYTES, length);
        _clusters[cluster].terms = terms;
        emit ClusterTermsChanged(cluster, terms);
    }

    function _requireShare(uint32 sharePpm) private pure {
        if (sharePpm > MAXIMUM_SHARE_PPM) revert ClusterRegistryShareTooLarge(MAXIMUM_SHARE_PPM, sharePpm);
    }

    function _shareOf(Cluster storage found) private view returns (uint32) {
        bool isRaised = found.nextShareAt != 0 && block.timestamp >= found.nextShareAt;
        return isRaised ? found.nextSharePpm : found.sharePpm;
    }
}
