// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClusterRegistry} from "../interfaces/IClusterRegistry.sol";
import {IPaymentEscrow} from "../interfaces/IPaymentEscrow.sol";
import {ChannelBalance, ChannelBalances} from "../libraries/ChannelBalance.sol";
import {ClusterAccounts} from "../libraries/ClusterAccounts.sol";
import {Shares} from "../libraries/Shares.sol";
import {EscrowSettings} from "./EscrowSettings.sol";

/// @title What payers promise and take back
abstract contract EscrowFunds is EscrowSettings, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Two slots. The first is all that a claim within the reserve reads and writes; the second is read only when
    /// reserve and pool fell short.
    struct Channel {
        ChannelBalance balance;
        uint128 thawing;
        uint64 thawEndsAt;
    }

    IClusterRegistry internal immutable _clusterRegistry;

    mapping(bytes32 channel => Channel) internal _channels;
    mapping(address account => mapping(address token => uint256 amount)) internal _pools;

    constructor(address clusterRegistry_) {
        _clusterRegistry = IClusterRegistry(clusterRegistry_);
        // A balancer key's vouchers stay valid for one thaw: the two waits must be one.
        uint256 named = _clusterRegistry.thawPeriod();
        if (named != _thawPeriod) revert PaymentEscrowThawDiffers(_thawPeriod, named);
    }

    /// @inheritdoc IPaymentEscrow
    function withdraw(uint256 asCluster, address token, uint256 amount, address to) external nonReentrant {
        address account = _accountAsOwner(asCluster);
        if (to == address(0)) revert PaymentEscrowAddressZero();
        if (amount == 0) revert PaymentEscrowAmountZero();
        _takeFromPool(account, token, amount);
        emit Withdrawn(token, account, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function reserve(
        uint256 asCluster,
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount
    ) external whenNotPaused nonReentrant {
        address payer = _accountAsBalancer(asCluster);
        _requireAllowed(token);
        if (amount == 0) revert PaymentEscrowAmountZero();
        _reserve(payer, payee, token, cluster, clusterPpm, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function thaw(
        uint256 asCluster,
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount
    ) external nonReentrant {
        address payer = _accountAsBalancer(asCluster);
        if (amount == 0) revert PaymentEscrowAmountZero();
        bytes32 id = _channelId(payer, payee, token, cluster, clusterPpm);
        Channel storage channel = _channels[id];
        ChannelBalance balance = channel.balance;
        uint256 held = balance.reserve();
        if (amount > held) revert PaymentEscrowReserveShort(amount, held);
        // Safe: the amount is at most the reserve, and reserve plus thawing never exceeds 128 bits (`reserve`).
        channel.balance = ChannelBalances.pack(balance.collected(), held - amount);
        uint128 thawing = channel.thawing + uint128(amount);
        uint64 endsAt = uint64(block.timestamp + _thawPeriod);
        channel.thawing = thawing;
        channel.thawEndsAt = endsAt;
        emit ReserveThawStarted(payer, payee, id, thawing, endsAt);
    }

    /// @inheritdoc IPaymentEscrow
    function cancelThaw(uint256 asCluster, address payee, address token, uint256 cluster, uint32 clusterPpm)
        external
        nonReentrant
    {
        address payer = _accountAsBalancer(asCluster);
        bytes32 id = _channelId(payer, payee, token, cluster, clusterPpm);
        Channel storage channel = _channels[id];
        uint128 amount = channel.thawing;
        if (amount == 0) revert PaymentEscrowThawNone();
        ChannelBalance balance = channel.balance;
        // Safe: reserve plus thawing never exceeds 128 bits (`reserve`).
        channel.balance = ChannelBalances.pack(balance.collected(), balance.reserve() + amount);
        channel.thawing = 0;
        channel.thawEndsAt = 0;
        emit ReserveThawCanceled(payer, payee, id, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function release(uint256 asCluster, address payee, address token, uint256 cluster, uint32 clusterPpm)
        external
        nonReentrant
    {
        address payer = _accountAsBalancer(asCluster);
        bytes32 id = _channelId(payer, payee, token, cluster, clusterPpm);
        Channel storage channel = _channels[id];
        uint128 amount = channel.thawing;
        if (amount == 0) revert PaymentEscrowThawNone();
        if (block.timestamp < channel.thawEndsAt) {
            revert PaymentEscrowThawRunning(channel.thawEndsAt, block.timestamp);
        }
        channel.thawing = 0;
        channel.thawEndsAt = 0;
        _pools[payer][token] += amount;
        emit ReserveReleased(payer, payee, id, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function poolOf(address account, address token) external view returns (uint256) {
        return _pools[account][token];
    }

    /// @inheritdoc IPaymentEscrow
    function channelOf(bytes32 channel) external view returns (ChannelInfo memory) {
        Channel storage found = _channels[channel];
        return ChannelInfo({
            collected: uint128(found.balance.collected()),
            reserve: uint128(found.balance.reserve()),
            thawing: found.thawing,
            thawEndsAt: found.thawEndsAt
        });
    }

    /// @inheritdoc IPaymentEscrow
    function channelIdOf(address payer, address payee, address token, uint256 cluster, uint32 clusterPpm)
        external
        pure
        returns (bytes32)
    {
        return _channelId(payer, payee, token, cluster, clusterPpm);
    }

    /// @inheritdoc IPaymentEscrow
    function clusterRegistry() external view returns (address) {
        return address(_clusterRegistry);
    }

    /// @dev From the pool into the reserve. Token and amount were checked.
    function _reserve(
        address payer,
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount
    ) internal {
        if (payee == address(0)) revert PaymentEscrowAddressZero();
        // Such a voucher could never be collected: money promised to it would only be locked.
        if (cluster == 0 ? clusterPpm != 0 : clusterPpm > Shares.PPM) {
            revert PaymentEscrowShareInvalid(cluster, clusterPpm);
        }
        _takeFromPool(payer, token, amount);
        bytes32 id = _channelId(payer, payee, token, cluster, clusterPpm);
        Channel storage channel = _channels[id];
        ChannelBalance balance = channel.balance;
        uint256 total = balance.reserve() + amount;
        uint256 promised = total + channel.thawing;
        if (promised > type(uint128).max) revert PaymentEscrowReserveTooLarge(type(uint128).max, promised);
        channel.balance = ChannelBalances.pack(balance.collected(), total);
        emit Reserved(payer, payee, token, id, cluster, clusterPpm, amount, total);
    }

    function _takeFromPool(address account, address token, uint256 amount) private {
        uint256 pool = _pools[account][token];
        if (amount > pool) revert PaymentEscrowPoolShort(amount, pool);
        _pools[account][token] = pool - amount;
    }

    function _accountAsOwner(uint256 asCluster) private view returns (address) {
        if (asCluster == 0) return msg.sender;
        address owner = _clusterRegistry.ownerOf(asCluster);
        if (owner != msg.sender) revert PaymentEscrowNotOwner(owner, msg.sender);
        return ClusterAccounts.accountOf(asCluster);
    }

    function _accountAsBalancer(uint256 asCluster) private view returns (address) {
        if (asCluster == 0) return msg.sender;
        if (
            !_clusterRegistry.isBalancer(asCluster, msg.sender)
                && _clusterRegistry.ownerOf(asCluster) != msg.sender
        ) revert PaymentEscrowNotBalancer(asCluster, msg.sender);
        return ClusterAccounts.accountOf(asCluster);
    }

    function _channelId(address payer, address payee, address token, uint256 cluster, uint32 clusterPpm)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(payer, payee, token, cluster, clusterPpm));
    }
}
