// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";

/// @title What stands behind one operator, shared by those who put it there
/// @notice Everybody holds shares of one sum, so that a slash is one subtraction and takes the same part from each. Nothing
/// enters the sum without shares and a share is never worth more than one base unit: it starts at one, a slash lowers it,
/// and what rounding leaves cannot raise it above. So no rounding takes more than one base unit from whoever rounds, and
/// there is no price that somebody could drive up before the next one comes.
library StakePool {
    /// @dev Shares per base unit above which no more can be put in: bounds the shares by 2^16 * 2^96.
    uint256 internal constant MAXIMUM_WEAR = 2 ** 16;

    /// @dev One slot. `generation` counts how often all of it was slashed: shares of an older one are worth nothing.
    struct Pool {
        uint96 stake;
        uint112 shares;
        uint32 generation;
    }

    /// @notice Puts `amount` in. What it gives for that is rounded down.
    function deposit(Pool storage pool, uint256 amount) internal returns (uint112 minted) {
        uint256 stake = pool.stake;
        uint256 shares = pool.shares;
        uint256 sum = stake + amount;
        if (sum > type(uint96).max) revert IOperatorRegistry.OperatorRegistryStakeTooLarge(type(uint96).max, sum);
        if (shares > stake * MAXIMUM_WEAR) {
            revert IOperatorRegistry.OperatorRegistryStakeWorn(stake * MAXIMUM_WEAR, shares);
        }
        // Safe: neither shares after it nor what is minted exceed MAXIMUM_WEAR times the sum, which has 96 bits.
        minted = uint112(shares == 0 ? amount : amount * shares / stake);
        pool.stake = uint96(sum);
        pool.shares = uint112(shares + minted);
    }

    /// @notice Takes the part of `shares` out, rounded down; all that there is for all of them.
    function redeem(Pool storage pool, uint112 shares) internal returns (uint96 amount) {
        amount = toStake(pool, shares);
        pool.stake -= amount;
        pool.shares -= shares;
    }

    /// @notice Takes `amount`, or all there is, from everybody in the same proportion.
    /// @return taken What was taken
    /// @return isEmptied Whether nothing is left, and with it no share
    function slash(Pool storage pool, uint256 amount) internal returns (uint96 taken, bool isEmptied) {
        uint96 stake = pool.stake;
        // Safe: the smaller of the two has 96 bits.
        taken = amount < stake ? uint96(amount) : stake;
        isEmptied = stake != 0 && taken == stake;
        pool.stake = stake - taken;
        if (isEmptied) {
            pool.shares = 0;
            pool.generation += 1;
        }
    }

    /// @notice What shares are worth, rounded down.
    function toStake(Pool storage pool, uint256 shares) internal view returns (uint96) {
        // Safe: a share is worth at most one base unit of a sum that has 96 bits.
        return shares == 0 ? 0 : uint96(shares * pool.stake / pool.shares);
    }

    /// @notice The fewest of `held` shares that are worth `amount`; all of them where they are worth no more than that.
    function toShares(Pool storage pool, uint256 amount, uint112 held) internal view returns (uint112) {
        if (toStake(pool, held) <= amount) return held;
        uint256 stake = pool.stake;
        // Safe: fewer than are held. A base unit is never worth less than one share.
        return uint112((amount * pool.shares + stake - 1) / stake);
    }
}
