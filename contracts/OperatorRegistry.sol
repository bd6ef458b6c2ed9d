// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IClusterRegistry} from "./interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";

/// @title OperatorRegistry
contract OperatorRegistry is IOperatorRegistry, AccessManaged, Pausable, ReentrancyGuardTransient, EIP712 {
    using SafeERC20 for IERC20;

    /// @dev Bounds that no governor can move.
    uint256 public constant MINIMUM_THAW = 1 hours;
    uint256 public constant MAXIMUM_THAW = 28 days;
    uint256 public constant MAXIMUM_MINIMUM_STAKE = 100_000 ether;
    uint256 public constant MAXIMUM_ENDPOINT_BYTES = 256;

    bytes32 private constant _NODE_POSSESSION_TYPE_HASH =
        keccak256("NodePossession(address operator,address node,uint64 validUntil)");

    /// @dev Two slots. The first is all that a payment reads; the second all that a stake changes.
    struct Operator {
        address beneficiary;
        bool pushPayouts;
        bool joined;
        uint96 stake;
        uint96 thawing;
        uint64 thawEndsAt;
    }

    /// @dev One slot. `operator` is written once and never cleared.
    struct Node {
        address operator;
        uint64 revokedAt;
    }

    IERC20 private immutable _stakeToken;
    IClusterRegistry private immutable _clusterRegistry;
    uint256 private immutable _thawPeriod;

    uint256 private _minimumStake;
    address private _slasher;
    mapping(address operator => Operator) private _operators;
    mapping(address node => Node) private _nodes;
    mapping(address node => string endpoint) private _endpoints;

    constructor(address authority, address stakeToken_, address clusterRegistry_, uint256 thawPeriod_, uint256 minimum)
        AccessManaged(authority)
        EIP712("Leat", "1")
    {
        if (stakeToken_ == address(0) || clusterRegistry_ == address(0)) revert OperatorRegistryAddressZero();
        if (thawPeriod_ < MINIMUM_THAW || thawPeriod_ > MAXIMUM_THAW) {
            revert OperatorRegistryThawOutOfBounds(MAXIMUM_THAW, thawPeriod_);
        }
        _stakeToken = IERC20(stakeToken_);
        _clusterRegistry = IClusterRegistry(clusterRegistry_);
        _thawPeriod = thawPeriod_;
        _setMinimumStake(minimum);
    }

    modifier onlyOperator() {
        if (!_operators[msg.sender].joined) revert OperatorRegistryNotJoined(msg.sender);
        _;
    }

    /// @inheritdoc IOperatorRegistry
    function join(JoinRequest calldata request) external whenNotPaused nonReentrant {
        Operator storage operator = _operators[msg.sender];
        if (operator.joined) revert OperatorRegistryAlreadyJoined(msg.sender);
        if (request.stake < _minimumStake) revert OperatorRegistryStakeShort(_minimumStake, request.stake);
        uint96 stake = _toStake(request.stake);

        address beneficiary = request.beneficiary == address(0) ? msg.sender : request.beneficiary;
        operator.beneficiary = beneficiary;
        operator.pushPayouts = request.pushPayouts;
        operator.joined = true;
        operator.stake = stake;
        emit OperatorJoined(msg.sender, stake);
        emit PayoutChanged(msg.sender, beneficiary, request.pushPayouts);
        _addNode(request.node, request.endpoint);

        _pull(stake, request.permit);
        if (request.cluster != 0) _clusterRegistry.acceptFor(msg.sender, request.cluster, request.maximumSharePpm);
    }

    /// @inheritdoc IOperatorRegistry
    function addNode(NodeProof calldata proof, string calldata endpoint) external whenNotPaused onlyOperator {
        _addNode(proof, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function setEndpoint(address node, string calldata endpoint) external {
        _requireOwnNode(node);
        _setEndpoint(node, endpoint);
        emit NodeEndpointChanged(node, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function revokeNode(address node) external {
        _requireOwnNode(node);
        _nodes[node].revokedAt = uint64(block.timestamp);
        emit NodeRevoked(msg.sender, node);
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
    function topUp(uint256 amount, Permit calldata permit) external whenNotPaused nonReentrant onlyOperator {
        if (amount == 0) revert OperatorRegistryAmountZero();
        Operator storage operator = _operators[msg.sender];
        uint96 stake = _toStake(uint256(operator.stake) + operator.thawing + amount) - operator.thawing;
        operator.stake = stake;
        emit StakeAdded(msg.sender, amount, stake);
        _pull(amount, permit);
    }

    /// @inheritdoc IOperatorRegistry
    function thaw(uint256 amount) external onlyOperator {
        if (amount == 0) revert OperatorRegistryAmountZero();
        Operator storage operator = _operators[msg.sender];
        if (amount > operator.stake) revert OperatorRegistryStakeShort(amount, operator.stake);
        // Safe: the amount is at most the stake, and stake plus thawing never exceeds 96 bits (`_toStake`).
        uint96 part = uint96(amount);
        operator.stake -= part;
        uint96 thawing = operator.thawing + part;
        uint64 endsAt = uint64(block.timestamp + _thawPeriod);
        operator.thawing = thawing;
        operator.thawEndsAt = endsAt;
        emit StakeThawStarted(msg.sender, amount, thawing, endsAt);
    }

    /// @inheritdoc IOperatorRegistry
    function cancelThaw() external onlyOperator {
        uint96 amount = _clearThaw();
        _operators[msg.sender].stake += amount;
        emit StakeThawCanceled(msg.sender, amount);
    }

    /// @inheritdoc IOperatorRegistry
    function withdraw(address to) external nonReentrant onlyOperator {
        if (to == address(0)) revert OperatorRegistryAddressZero();
        uint256 endsAt = _operators[msg.sender].thawEndsAt;
        if (block.timestamp < endsAt) revert OperatorRegistryThawRunning(endsAt, block.timestamp);
        uint256 amount = _clearThaw();
        emit StakeWithdrawn(msg.sender, to, amount);
        _stakeToken.safeTransfer(to, amount);
    }

    /// @inheritdoc IOperatorRegistry
    function slash(address operatorAddress, uint256 amount) external nonReentrant returns (uint256 taken) {
        if (msg.sender != _slasher) revert OperatorRegistryNotSlasher(_slasher, msg.sender);
        Operator storage operator = _operators[operatorAddress];
        uint256 fromStake = amount < operator.stake ? amount : operator.stake;
        uint256 left = amount - fromStake;
        uint256 fromThawing = left < operator.thawing ? left : operator.thawing;
        // Safe: each part is at most the 96-bit number that it is taken from.
        operator.stake -= uint96(fromStake);
        operator.thawing -= uint96(fromThawing);
        taken = fromStake + fromThawing;
        emit StakeSlashed(operatorAddress, taken, msg.sender);
        _stakeToken.safeTransfer(msg.sender, taken);
    }

    /// @inheritdoc IOperatorRegistry
    function setSlasher(address newSlasher) external restricted {
        if (_slasher != address(0)) revert OperatorRegistrySlasherSet(_slasher);
        if (newSlasher == address(0)) revert OperatorRegistryAddressZero();
        _slasher = newSlasher;
        emit SlasherSet(newSlasher);
    }

    /// @inheritdoc IOperatorRegistry
    function setMinimumStake(uint256 newMinimumStake) external restricted {
        _setMinimumStake(newMinimumStake);
    }

    /// @inheritdoc IOperatorRegistry
    function setPaused(bool paused_) external restricted {
        if (paused_) _pause();
        else _unpause();
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
    function isOperator(address operator) external view returns (bool) {
        return _operators[operator].joined;
    }

    /// @inheritdoc IOperatorRegistry
    function stakeOf(address operator) external view returns (StakeInfo memory) {
        Operator storage found = _operators[operator];
        return StakeInfo({stake: found.stake, thawing: found.thawing, thawEndsAt: found.thawEndsAt});
    }

    /// @inheritdoc IOperatorRegistry
    function minimumStake() external view returns (uint256) {
        return _minimumStake;
    }

    /// @inheritdoc IOperatorRegistry
    function slasher() external view returns (address) {
        return _slasher;
    }

    /// @inheritdoc IOperatorRegistry
    function stakeToken() external view returns (address) {
        return address(_stakeToken);
    }

    /// @inheritdoc IOperatorRegistry
    function clusterRegistry() external view returns (address) {
        return address(_clusterRegistry);
    }

    /// @inheritdoc IOperatorRegistry
    function thawPeriod() external view returns (uint256) {
        return _thawPeriod;
    }

    /// @inheritdoc IOperatorRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _addNode(NodeProof calldata proof, string calldata endpoint) private {
        address owner = _nodes[proof.node].operator;
        if (owner != address(0)) revert OperatorRegistryKeyUsed(proof.node, owner);
        if (block.timestamp > proof.validUntil) {
            revert OperatorRegistryProofExpired(proof.validUntil, block.timestamp);
        }
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(_NODE_POSSESSION_TYPE_HASH, msg.sender, proof.node, proof.validUntil))
        );
        (address signer,,) = ECDSA.tryRecover(digest, proof.r, proof.vs);
        // A malformed signature recovers to zero, which must not pass for the node that is zero.
        if (signer != proof.node || signer == address(0)) revert OperatorRegistryProofWrong(proof.node, signer);
        _nodes[proof.node].operator = msg.sender;
        _setEndpoint(proof.node, endpoint);
        emit NodeAdded(msg.sender, proof.node, endpoint);
    }

    function _setEndpoint(address node, string calldata endpoint) private {
        uint256 length = bytes(endpoint).length;
        if (length > MAXIMUM_ENDPOINT_BYTES) revert OperatorRegistryEndpointTooLong(MAXIMUM_ENDPOINT_BYTES, length);
        _endpoints[node] = endpoint;
    }

    function _requireOwnNode(address node) private view {
        Node storage found = _nodes[node];
        if (found.operator != msg.sender) revert OperatorRegistryKeyUnknown(msg.sender, node);
        if (found.revokedAt != 0) revert OperatorRegistryKeyRevoked(node);
    }

    function _clearThaw() private returns (uint96 amount) {
        Operator storage operator = _operators[msg.sender];
        amount = operator.thawing;
        if (amount == 0) revert OperatorRegistryThawNone();
        operator.thawing = 0;
        operator.thawEndsAt = 0;
    }

    function _setMinimumStake(uint256 minimum) private {
        if (minimum > MAXIMUM_MINIMUM_STAKE) revert OperatorRegistryMinimumTooLarge(MAXIMUM_MINIMUM_STAKE, minimum);
        _minimumStake = minimum;
        emit MinimumStakeChanged(minimum);
    }

    function _toStake(uint256 amount) private pure returns (uint96) {
        if (amount > type(uint96).max) revert OperatorRegistryStakeTooLarge(type(uint96).max, amount);
        return uint96(amount);
    }

    /// @dev Last of all: the token is the only foreign code here besides the cluster registry.
    function _pull(uint256 amount, Permit calldata permit) private {
        if (permit.deadline != 0) {
            // Whoever saw the permit may have spent it first; the allowance that it left serves as well.
            try IERC20Permit(address(_stakeToken)).permit(
                msg.sender, address(this), amount, permit.deadline, permit.v, permit.r, permit.s
            ) {} catch {}
        }
        uint256 before = _stakeToken.balanceOf(address(this));
        _stakeToken.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = _stakeToken.balanceOf(address(this)) - before;
        if (received != amount) revert OperatorRegistryTransferShort(amount, received);
    }
}
