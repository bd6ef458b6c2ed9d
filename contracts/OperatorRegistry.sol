// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IClusterRegistry} from "./interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {StakePool} from "./libraries/StakePool.sol";
import {OperatorNodes} from "./operators/OperatorNodes.sol";
import {OperatorStakes} from "./operators/OperatorStakes.sol";

/// @title OperatorRegistry
contract OperatorRegistry is OperatorNodes {
    using StakePool for StakePool.Pool;

    /// @dev A bound that no governor can move.
    uint256 public constant MAXIMUM_MINIMUM_STAKE = 100_000 ether;

    IClusterRegistry private immutable _clusterRegistry;

    uint256 private _minimumStake;

    constructor(address authority, address stakeToken_, address clusterRegistry_, uint256 thawPeriod_, uint256 minimum)
        OperatorStakes(authority, stakeToken_, thawPeriod_)
    {
        if (clusterRegistry_ == address(0)) revert OperatorRegistryAddressZero();
        _clusterRegistry = IClusterRegistry(clusterRegistry_);
        _setMinimumStake(minimum);
    }

    /// @inheritdoc IOperatorRegistry
    function join(JoinRequest calldata request) external whenNotPaused nonReentrant {
        Operator storage operator = _operators[msg.sender];
        if (operator.joined) revert OperatorRegistryAlreadyJoined(msg.sender);
        if (request.stake < _minimumStake) revert OperatorRegistryStakeShort(_minimumStake, request.stake);

        address beneficiary = request.beneficiary == address(0) ? msg.sender : request.beneficiary;
        operator.beneficiary = beneficiary;
        operator.pushPayouts = request.pushPayouts;
        operator.joined = true;
        if (request.stake != 0) operator.pool.deposit(request.stake);
        emit OperatorJoined(msg.sender, request.stake);
        emit StakeChanged(msg.sender, request.stake, 0);
        emit PayoutChanged(msg.sender, beneficiary, request.pushPayouts);
        _addNode(msg.sender, request.node, request.endpoint);

        _pull(request.stake, request.permit);
        if (request.cluster != 0) _clusterRegistry.acceptFor(msg.sender, request.cluster, request.maximumSharePpm);
    }

    /// @inheritdoc IOperatorRegistry
    function setMinimumStake(uint256 newMinimumStake) external restricted {
        _setMinimumStake(newMinimumStake);
    }

    /// @inheritdoc IOperatorRegistry
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IOperatorRegistry
    function unpause() external restricted {
        _unpause();
    }

    /// @inheritdoc IOperatorRegistry
    function isOperator(address operator) external view returns (bool) {
        return _operators[operator].joined;
    }

    /// @inheritdoc IOperatorRegistry
    function minimumStake() external view returns (uint256) {
        return _minimumStake;
    }

    /// @inheritdoc IOperatorRegistry
    function clusterRegistry() external view returns (address) {
        return address(_clusterRegistry);
    }

    function _setMinimumStake(uint256 minimum) private {
        if (minimum > MAXIMUM_MINIMUM_STAKE) revert OperatorRegistryMinimumTooLarge(MAXIMUM_MINIMUM_STAKE, minimum);
        _minimumStake = minimum;
        emit MinimumStakeChanged(minimum);
    }
}
