// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {StakePool} from "../../contracts/libraries/StakePool.sol";
import {Test} from "./support/Test.sol";

/// @notice The sums of a pool over all of their range, up to the largest stake there can be.
contract StakePoolTest is Test {
    using StakePool for StakePool.Pool;

    StakePool.Pool private _pool;

    function testFuzz_aShareIsNeverWorthMoreThanOneAndLosesBySlashesAlone(uint256[24] calldata steps) external {
        delete _pool;
        for (uint256 i = 0; i < steps.length; ++i) {
            uint256 amount = (steps[i] >> 16) >> (steps[i] >> 8 & 0xff);
            uint256 action = steps[i] % 4;
            StakePool.Pool memory before = _pool;
            if (action <= 1) {
                try this.deposit(amount) {}
                catch (bytes memory reason) {
                    bytes4 selector = bytes4(reason);
                    assertTrue(
                        selector == IOperatorRegistry.OperatorRegistryStakeTooLarge.selector
                            || selector == IOperatorRegistry.OperatorRegistryStakeWorn.selector
                    );
                }
            } else if (action == 2) {
                uint112 shares = uint112(bound(amount, 0, _pool.shares));
                uint256 worth = _pool.toStake(shares);
                assertEq(_pool.redeem(shares), worth);
            } else {
                uint256 stake = _pool.stake;
                (uint256 taken, bool isEmptied) = _pool.slash(amount);
                assertEq(taken, amount < stake ? amount : stake);
                assertTrue(isEmptied == (stake != 0 && taken == stake));
            }
            // Nobody's rounding costs anybody else: what a share is worth falls by a slash alone.
            if (action != 3) {
                assertTrue(uint256(_pool.stake) * before.shares >= uint256(before.stake) * _pool.shares);
            }
            assertTrue(_pool.shares >= _pool.stake);
            assertTrue((_pool.shares == 0) == (_pool.stake == 0));
        }
    }

    function testFuzz_depositIsWorthWhatItCostOrOneLess(uint96 stake, uint112 shares, uint96 amount) external {
        _fill(stake, shares);
        amount = uint96(bound(amount, 1, type(uint96).max - _pool.stake));
        uint112 minted = _pool.deposit(amount);
        uint256 worth = _pool.toStake(minted);
        assertTrue(minted >= amount && worth <= amount && worth + 1 >= amount);
    }

    function testFuzz_toSharesGivesTheFewestThatAreWorthTheAmount(
        uint96 stake,
        uint112 shares,
        uint112 held,
        uint96 amount
    ) external {
        _fill(stake, shares);
        held = uint112(bound(held, 1, _pool.shares));
        uint256 worth = _pool.toStake(held);
        if (worth == 0) return;
        amount = uint96(bound(amount, 1, worth));
        uint112 found = _pool.toShares(amount, held);
        assertTrue(found <= held && _pool.toStake(found) >= amount);
        if (amount == worth) assertEq(found, held);
        else assertTrue(_pool.toStake(found - 1) < amount);
    }

    function testFuzz_slashTakesTheSamePartFromEverybody(uint96 stake, uint112 shares, uint112 held, uint96 amount)
        external
    {
        _fill(stake, shares);
        held = uint112(bound(held, 1, _pool.shares));
        amount = uint96(bound(amount, 0, _pool.stake));
        uint256 before = _pool.toStake(held);
        uint256 sum = _pool.stake;
        _pool.slash(amount);
        if (_pool.stake == 0) return;
        uint256 wanted = before * (sum - amount) / sum;
        uint256 found = _pool.toStake(held);
        assertTrue(found <= before && found + 1 >= wanted && found <= wanted + 1);
    }

    /// @notice For `try`, which takes external calls only.
    function deposit(uint256 amount) external {
        _pool.deposit(amount);
    }

    /// @dev Any pool that deposits and slashes can leave and that still takes deposits.
    function _fill(uint96 stake, uint112 shares) private {
        uint256 sum = bound(stake, 1, type(uint96).max - 1);
        _pool.stake = uint96(sum);
        _pool.shares = uint112(bound(shares, sum, sum * StakePool.MAXIMUM_WEAR));
    }
}
