// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {OperatorStakes} from "./OperatorStakes.sol";

/// @title An operator's node keys, who may change them, and where proceeds go
abstract contract OperatorNodes is OperatorStakes, EIP712 {
    /// @dev Bounds that no governor can move.
    uint256 public constant MAXIMUM_NODES = 1_024;
    uint256 public constant MAXIMUM_ENDPOINT_BYTES = 256;

    bytes32 private constant _NODE_POSSESSION_TYPE_HASH =
        keccak256("NodePossession(address operator,address node,uint64 validUntil)");

    /// @dev One slot. `operator` is written once and never cleared.
    struct Node {
        address operator;
        uint64 revokedAt;
    }

    mapping(address node => Node) private _nodes;
    mapping(address node => string endpoint) private _endpoints;

    constructor() EIP712("Leat", "1") {}

    /// @inheritdoc IOperatorRegistry
    function addNode(address operator, NodeProof calldata proof, string calldata endpoint) external whenNotPaused {
        _requireJoined(operator);
        _requireOwnerOrManager(operator);
        _addNode(operator, proof, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function rotateNode(address node, NodeProof calldata proof, string calldata endpoint) external whenNotPaused {
        address operator = _requireKeptNode(node);
        _revokeNode(operator, node);
        _addNode(operator, proof, endpoint);
        emit NodeRotated(operator, node, proof.node);
    }

    /// @inheritdoc IOperatorRegistry
    function revokeNode(address node) external {
        _revokeNode(_requireKeptNode(node), node);
    }

    /// @inheritdoc IOperatorRegistry
    function setEndpoint(address node, string calldata endpoint) external {
        _requireKeptNode(node);
        _setEndpoint(node, endpoint);
        emit NodeEndpointChanged(node, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function setManager(address manager) external onlyOperator {
        _operators[msg.sender].manager = manager;
        emit ManagerChanged(msg.sender, manager);
    }

    /// @inheritdoc IOperatorRegistry
    function setPayout(address beneficiary, bool pushPayouts) external onlyOperator {
        address to = beneficiary == address(0) ? msg.sender : beneficiary;
        Operator storage operator = _operators[msg.sender];
        operator.beneficiary = to;
        operator.pushPayouts = pushPayouts;
        emit PayoutChanged(msg.sender, to, pushPayouts);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address node) external view returns (address) {
        return _nodes[node].operator;
    }

    /// @inheritdoc IOperatorRegistry
    function payoutOf(address node) external view returns (address, address, bool) {
        address operator = _nodes[node].operator;
        if (operator == address(0)) return (address(0), address(0), false);
        Operator storage found = _operators[operator];
        return (operator, found.beneficiary, found.pushPayouts);
    }

    /// @inheritdoc IOperatorRegistry
    function isActiveNode(address node) external view returns (bool) {
        Node storage found = _nodes[node];
        return found.operator != address(0) && found.revokedAt == 0;
    }

    /// @inheritdoc IOperatorRegistry
    function revokedAt(address node) external view returns (uint256) {
        return _nodes[node].revokedAt;
    }

    /// @inheritdoc IOperatorRegistry
    function endpointOf(address node) external view returns (string memory) {
        return _endpoints[node];
    }

    /// @inheritdoc IOperatorRegistry
    function operatorInfoOf(address operator) external view returns (OperatorInfo memory) {
        Operator storage found = _operators[operator];
        return OperatorInfo({
            joined: found.joined,
            beneficiary: found.beneficiary,
            pushPayouts: found.pushPayouts,
            manager: found.manager,
            nodeCount: found.nodeCount
        });
    }

    /// @inheritdoc IOperatorRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _addNode(address operatorAddress, NodeProof calldata proof, string calldata endpoint) internal {
        address owner = _nodes[proof.node].operator;
        if (owner != address(0)) revert OperatorRegistryKeyUsed(proof.node, owner);
        if (block.timestamp > proof.validUntil) {
            revert OperatorRegistryProofExpired(proof.validUntil, block.timestamp);
        }
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(_NODE_POSSESSION_TYPE_HASH, operatorAddress, proof.node, proof.validUntil))
        );
        (address signer,,) = ECDSA.tryRecover(digest, proof.r, proof.vs);
        // A malformed signature recovers to zero, which must not pass for the node that is zero.
        if (signer != proof.node || signer == address(0)) revert OperatorRegistryProofWrong(proof.node, signer);
        Operator storage operator = _operators[operatorAddress];
        uint16 count = operator.nodeCount;
        if (count == MAXIMUM_NODES) revert OperatorRegistryNodesTooMany(MAXIMUM_NODES);
        operator.nodeCount = count + 1;
        _nodes[proof.node].operator = operatorAddress;
        _setEndpoint(proof.node, endpoint);
        emit NodeAdded(operatorAddress, proof.node, endpoint);
    }

    function _revokeNode(address operator, address node) private {
        _nodes[node].revokedAt = uint64(block.timestamp);
        _operators[operator].nodeCount -= 1;
        emit NodeRevoked(operator, node);
    }

    function _setEndpoint(address node, string calldata endpoint) private {
        uint256 length = bytes(endpoint).length;
        if (length > MAXIMUM_ENDPOINT_BYTES) revert OperatorRegistryEndpointTooLong(MAXIMUM_ENDPOINT_BYTES, length);
        _endpoints[node] = endpoint;
    }

    /// @dev A key that is not revoked, of an operator that the caller is or manages.
    function _requireKeptNode(address node) private view returns (address operator) {
        Node storage found = _nodes[node];
        operator = found.operator;
        if (operator == address(0)) revert OperatorRegistryKeyUnknown(node);
        _requireOwnerOrManager(operator);
        if (found.revokedAt != 0) revert OperatorRegistryKeyRevoked(node);
    }

    function _requireOwnerOrManager(address operator) private view {
        if (msg.sender != operator && msg.sender != _operators[operator].manager) {
            revert OperatorRegistryNotManager(operator, msg.sender);
        }
    }
}
