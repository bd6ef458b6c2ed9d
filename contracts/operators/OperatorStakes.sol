// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {StakePool} from "../libraries/StakePool.sol";

/// @title Stake: an operator's own and its sponsors', what of it leaves, and what is slashed
abstract contract OperatorStakes is IOperatorRegistry, AccessManaged, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using StakePool for StakePool.Pool;

    /// @dev Bounds that no governor can move.
    uint256 public constant MINIMUM_THAW = 1 hours;
    uint256 public constant MAXIMUM_THAW = 28 days;

    /// @dev The first slot is all that a payment reads. Joining writes the first two: the operator's own shares that do not
    /// thaw are what the pool has besides the other three numbers, which start at nothing.
    struct Operator {
        address beneficiary;
        bool pushPayouts;
        bool joined;
        uint16 nodeCount;
        uint64 thawEndsAt;
        StakePool.Pool pool;
        uint112 thawing;
        uint112 sponsoredThawing;
        uint112 sponsored;
        address manager;
    }

    /// @dev Shares of one sponsor, worth something in the pool's generation only.
    struct Sponsorship {
        uint112 shares;
        uint112 thawing;
        uint32 generation;
        uint64 thawEndsAt;
    }

    IERC20 internal immutable _stakeToken;
    uint256 private immutable _thawPeriod;

    address private _slasher;
    mapping(address operator => Operator) internal _operators;
    mapping(address operator => mapping(address sponsor => Sponsorship)) private _sponsorships;

    constructor(address authority, address stakeToken_, uint256 thawPeriod_) AccessManaged(authority) {
        if (stakeToken_ == address(0)) revert OperatorRegistryAddressZero();
        if (thawPeriod_ < MINIMUM_THAW || thawPeriod_ > MAXIMUM_THAW) {
            revert OperatorRegistryThawOutOfBounds(MAXIMUM_THAW, thawPeriod_);
        }
        _stakeToken = IERC20(stakeToken_);
        _thawPeriod = thawPeriod_;
    }

    modifier onlyOperator() {
        _requireJoined(msg.sender);
        _;
    }

    /// @inheritdoc IOperatorRegistry
    function topUp(uint256 amount, Permit calldata permit) external whenNotPaused nonReentrant onlyOperator {
        if (amount == 0) revert OperatorRegistryAmountZero();
        Operator storage operator = _operators[msg.sender];
        operator.pool.deposit(amount);
        emit StakeAdded(msg.sender, amount, operator.pool.toStake(_ownShares(operator)));
        _tellStake(msg.sender, operator);
        _pull(amount, permit);
    }

    /// @inheritdoc IOperatorRegistry
    function thaw(uint256 amount) external nonReentrant onlyOperator {
        Operator storage operator = _operators[msg.sender];
        operator.thawing += _sharesToThaw(operator, amount, _ownShares(operator));
        uint64 endsAt = uint64(block.timestamp + _thawPeriod);
        operator.thawEndsAt = endsAt;
        emit StakeThawStarted(msg.sender, amount, operator.pool.toStake(operator.thawing), endsAt);
        _tellStake(msg.sender, operator);
    }

    /// @inheritdoc IOperatorRegistry
    function cancelThaw() external nonReentrant onlyOperator {
        Operator storage operator = _operators[msg.sender];
        uint112 shares = _clearThaw(operator);
        emit StakeThawCanceled(msg.sender, operator.pool.toStake(shares));
        _tellStake(msg.sender, operator);
    }

    /// @inheritdoc IOperatorRegistry
    function withdraw(address to) external nonReentrant onlyOperator {
        Operator storage operator = _operators[msg.sender];
        _requireThawed(operator.thawEndsAt, to);
        uint256 amount = operator.pool.redeem(_clearThaw(operator));
        emit StakeWithdrawn(msg.sender, to, amount);
        _tellStake(msg.sender, operator);
        _stakeToken.safeTransfer(to, amount);
    }

    /// @inheritdoc IOperatorRegistry
    function stakeFor(address operatorAddress, uint256 amount, Permit calldata permit)
        external
        whenNotPaused
        nonReentrant
    {
        _requireJoined(operatorAddress);
        if (operatorAddress == msg.sender) revert OperatorRegistrySponsorSelf(msg.sender);
        if (amount == 0) revert OperatorRegistryAmountZero();
        Operator storage operator = _operators[operatorAddress];
        Sponsorship storage sponsorship = _sponsorshipOf(operatorAddress);
        uint112 minted = operator.pool.deposit(amount);
        operator.sponsored += minted;
        sponsorship.shares += minted;
        emit StakeSponsored(operatorAddress, msg.sender, amount, operator.pool.toStake(sponsorship.shares));
        _tellStake(operatorAddress, operator);
        _pull(amount, permit);
    }

    /// @inheritdoc IOperatorRegistry
    function thawSponsored(address operatorAddress, uint256 amount) external nonReentrant {
        Operator storage operator = _operators[operatorAddress];
        Sponsorship storage sponsorship = _sponsorshipOf(operatorAddress);
        uint112 shares = _sharesToThaw(operator, amount, sponsorship.shares);
        operator.sponsored -= shares;
        operator.sponsoredThawing += shares;
        sponsorship.shares -= shares;
        sponsorship.thawing += shares;
        uint64 endsAt = uint64(block.timestamp + _thawPeriod);
        sponsorship.thawEndsAt = endsAt;
        uint256 thawing = operator.pool.toStake(sponsorship.thawing);
        emit SponsorThawStarted(operatorAddress, msg.sender, amount, thawing, endsAt);
        _tellStake(operatorAddress, operator);
    }

    /// @inheritdoc IOperatorRegistry
    function cancelSponsoredThaw(address operatorAddress) external nonReentrant {
        Operator storage operator = _operators[operatorAddress];
        Sponsorship storage sponsorship = _sponsorshipOf(operatorAddress);
        uint112 shares = _clearSponsoredThaw(operator, sponsorship);
        operator.sponsored += shares;
        sponsorship.shares += shares;
        emit SponsorThawCanceled(operatorAddress, msg.sender, operator.pool.toStake(shares));
        _tellStake(operatorAddress, operator);
    }

    /// @inheritdoc IOperatorRegistry
    function withdrawSponsored(address operatorAddress, address to) external nonReentrant {
        Operator storage operator = _operators[operatorAddress];
        Sponsorship storage sponsorship = _sponsorshipOf(operatorAddress);
        _requireThawed(sponsorship.thawEndsAt, to);
        uint256 amount = operator.pool.redeem(_clearSponsoredThaw(operator, sponsorship));
        emit SponsorWithdrawn(operatorAddress, msg.sender, to, amount);
        _tellStake(operatorAddress, operator);
        _stakeToken.safeTransfer(to, amount);
    }

    /// @inheritdoc IOperatorRegistry
    function slash(address operatorAddress, uint256 amount) external nonReentrant returns (uint256 taken) {
        if (msg.sender != _slasher) revert OperatorRegistryNotSlasher(_slasher, msg.sender);
        Operator storage operator = _operators[operatorAddress];
        bool isEmptied;
        (taken, isEmptied) = operator.pool.slash(amount);
        if (isEmptied) {
            // Sponsors' own numbers end with the generation.
            (operator.thawing, operator.thawEndsAt, operator.sponsored, operator.sponsoredThawing) = (0, 0, 0, 0);
        }
        emit StakeSlashed(operatorAddress, taken, msg.sender);
        _tellStake(operatorAddress, operator);
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
    function stakeOf(address operator) external view returns (StakeInfo memory) {
        Operator storage found = _operators[operator];
        return StakeInfo({
            stake: found.pool.toStake(_ownShares(found)),
            thawing: found.pool.toStake(found.thawing),
            thawEndsAt: found.thawEndsAt,
            sponsored: found.pool.toStake(found.sponsored),
            sponsoredThawing: found.pool.toStake(found.sponsoredThawing),
            slashable: found.pool.stake
        });
    }

    /// @inheritdoc IOperatorRegistry
    function sponsorshipOf(address operator, address sponsor) external view returns (SponsorshipInfo memory info) {
        StakePool.Pool storage pool = _operators[operator].pool;
        Sponsorship storage found = _sponsorships[operator][sponsor];
        if (found.generation != pool.generation) return info;
        return SponsorshipInfo({
            stake: pool.toStake(found.shares),
            thawing: pool.toStake(found.thawing),
            thawEndsAt: found.thawEndsAt
        });
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
    function thawPeriod() external view returns (uint256) {
        return _thawPeriod;
    }

    /// @dev Last of all: the token is the only foreign code here besides the cluster registry.
    function _pull(uint256 amount, Permit calldata permit) internal {
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

    function _requireJoined(address operator) internal view {
        if (!_operators[operator].joined) revert OperatorRegistryNotJoined(operator);
    }

    /// @dev The caller's sponsorship, without what a slash of everything ended.
    function _sponsorshipOf(address operator) private returns (Sponsorship storage sponsorship) {
        sponsorship = _sponsorships[operator][msg.sender];
        uint32 generation = _operators[operator].pool.generation;
        if (sponsorship.generation == generation) return sponsorship;
        (sponsorship.shares, sponsorship.thawing, sponsorship.thawEndsAt) = (0, 0, 0);
        sponsorship.generation = generation;
    }

    function _clearThaw(Operator storage operator) private returns (uint112 shares) {
        shares = operator.thawing;
        if (shares == 0) revert OperatorRegistryThawNone();
        operator.thawing = 0;
        operator.thawEndsAt = 0;
    }

    function _clearSponsoredThaw(Operator storage operator, Sponsorship storage sponsorship)
        private
        returns (uint112 shares)
    {
        shares = sponsorship.thawing;
        if (shares == 0) revert OperatorRegistryThawNone();
        sponsorship.thawing = 0;
        sponsorship.thawEndsAt = 0;
        operator.sponsoredThawing -= shares;
    }

    /// @dev Own and sponsored together, so that an index needs no reads.
    function _tellStake(address operatorAddress, Operator storage operator) private {
        uint256 thawing = uint256(operator.thawing) + operator.sponsoredThawing;
        uint256 staying = operator.pool.shares - thawing;
        emit StakeChanged(operatorAddress, operator.pool.toStake(staying), operator.pool.toStake(thawing));
    }

    function _sharesToThaw(Operator storage operator, uint256 amount, uint112 held) private view returns (uint112) {
        if (amount == 0) revert OperatorRegistryAmountZero();
        uint256 found = operator.pool.toStake(held);
        if (amount > found) revert OperatorRegistryStakeShort(amount, found);
        return operator.pool.toShares(amount, held);
    }

    function _ownShares(Operator storage operator) private view returns (uint112) {
        return operator.pool.shares - operator.thawing - operator.sponsored - operator.sponsoredThawing;
    }

    function _requireThawed(uint256 endsAt, address to) private view {
        if (to == address(0)) revert OperatorRegistryAddressZero();
        if (block.timestamp < endsAt) revert OperatorRegistryThawRunning(endsAt, block.timestamp);
    }
}
