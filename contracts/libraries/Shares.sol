// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title How one payment is divided
/// @notice Every division rounds against the payee, who asks: fee and cluster share up, a part of a short pool down.
library Shares {
    uint256 internal constant PPM = 1_000_000;

    /// @notice Fee first, then the cluster's share of what is left; the payee gets the rest. Nothing is lost.
    /// @dev 1,000,001 with a fee of 1 % and a share of 20 %: fee 10,001, share 198,000, rest 792,000.
    /// `total` is below 2^168 (a sum of uint128) and rates below 2^32, so no product overflows.
    function split(uint256 total, uint256 feePpm, uint256 sharePpm)
        internal
        pure
        returns (uint256 fee, uint256 share, uint256 rest)
    {
        fee = ceilOf(total, feePpm);
        share = ceilOf(total - fee, sharePpm);
        rest = total - fee - share;
    }

    /// @notice What one of several creditors gets of a pool: all it is owed, or its proportion of a pool that is short.
    /// @dev Owed 30 of 90 with 45 in the pool: 15. The sum over all creditors never exceeds the pool.
    function proRata(uint256 owed, uint256 owedToAll, uint256 pool) internal pure returns (uint256) {
        if (owedToAll <= pool) return owed;
        return Math.mulDiv(owed, pool, owedToAll);
    }

    function ceilOf(uint256 amount, uint256 ppm) private pure returns (uint256) {
        return ppm == 0 ? 0 : (amount * ppm + PPM - 1) / PPM;
    }
}
