// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClusterRegistry} from "../interfaces/IClusterRegistry.sol";

/// @title Who owns a cluster and which balancer keys sign for it
abstract contract ClusterBalancers is IClusterRegistry, AccessManaged, Pausable, EIP712 {
    /// @dev Bounds that no governor can move.
    uint256 public constant MINIMUM_THAW = 1 hours;
    uint256 public constant MAXIMUM_THAW = 28 days;
    /// @dev A transfer ends every key, one by one.
    uint256 public constant MAXIMUM_BALANCERS = 32;

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

    uint256 internal immutable _thawPeriod;

    mapping(uint256 cluster => Cluster) internal _clusters;
    /// @dev Until when a key's vouchers count: 0 it never was a balancer, `_CURRENT` it is one, else it was removed.
    mapping(uint256 cluster => mapping(address balancer => uint64 validUntil)) private _balancers;
    /// @dev Those that are current, in no order.
    mapping(uint256 cluster => address[] balancers) private _currentBalancers;

    constructor(address authority, uint256 thawPeriod_) AccessManaged(authority) EIP712("Leat", "1") {
        if (thawPeriod_ < MINIMUM_THAW || thawPeriod_ > MAXIMUM_THAW) {
            revert ClusterRegistryThawOutOfBounds(MAXIMUM_THAW, thawPeriod_);
        }
        _thawPeriod = thawPeriod_;
    }

    modifier onlyOwner(uint256 cluster) {
        address owner = _clusters[cluster].owner;
        if (owner == address(0)) revert ClusterRegistryUnknown(cluster);
        if (owner != msg.sender) revert ClusterRegistryNotOwner(owner, msg.sender);
        _;
    }

    /// @inheritdoc IClusterRegistry
    function addBalancer(uint256 cluster, BalancerProof calldata proof) external whenNotPaused onlyOwner(cluster) {
        _addBalancer(cluster, proof);
    }

    /// @inheritdoc IClusterRegistry
    function removeBalancer(uint256 cluster, address balancer) external onlyOwner(cluster) {
        if (_balancers[cluster][balancer] != _CURRENT) revert ClusterRegistryBalancerUnknown(cluster, balancer);
        address[] storage current = _currentBalancers[cluster];
        address last = current[current.length - 1];
        // Bounded by MAXIMUM_BALANCERS. A current key is in the list.
        for (uint256 i = 0; last != balancer; ++i) {
            if (current[i] != balancer) continue;
            current[i] = last;
            break;
        }
        current.pop();
        _endBalancer(cluster, balancer);
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
    function balancersOf(uint256 cluster) external view returns (address[] memory) {
        return _currentBalancers[cluster];
    }

    /// @inheritdoc IClusterRegistry
    function thawPeriod() external view returns (uint256) {
        return _thawPeriod;
    }

    /// @inheritdoc IClusterRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _addBalancer(uint256 cluster, BalancerProof calldata proof) internal {
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
        address[] storage current = _currentBalancers[cluster];
        if (current.length == MAXIMUM_BALANCERS) revert ClusterRegistryBalancersTooMany(MAXIMUM_BALANCERS);
        current.push(proof.balancer);
        _balancers[cluster][proof.balancer] = _CURRENT;
        emit BalancerAdded(cluster, proof.balancer);
    }

    function _endAllBalancers(uint256 cluster) internal {
        address[] memory current = _currentBalancers[cluster];
        delete _currentBalancers[cluster];
        for (uint256 i = 0; i < current.length; ++i) {
            _endBalancer(cluster, current[i]);
        }
    }

    function _endBalancer(uint256 cluster, address balancer) private {
        uint64 validUntil = uint64(block.timestamp + _thawPeriod);
        _balancers[cluster][balancer] = validUntil;
        emit BalancerRemoved(cluster, balancer, validUntil);
    }
}
