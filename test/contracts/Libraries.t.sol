// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ChannelBalance, ChannelBalances} from "../../contracts/libraries/ChannelBalance.sol";
import {Shares} from "../../contracts/libraries/Shares.sol";
import {Vouchers} from "../../contracts/libraries/Vouchers.sol";
import {Test} from "./support/Test.sol";

/// @notice The sums and the packing, over random values.
contract LibrariesTest is Test {
    using Vouchers for uint256[9];

    function testFuzz_splitLosesNothingAndRoundsAgainstThePayee(uint256 total, uint256 feePpm, uint256 sharePpm)
        external
        pure
    {
        total = bound(total, 0, type(uint160).max);
        feePpm = bound(feePpm, 0, 10_000);
        sharePpm = bound(sharePpm, 0, 1_000_000);
        (uint256 fee, uint256 share, uint256 rest) = Shares.split(total, feePpm, sharePpm);
        assertEq(fee + share + rest, total);
        assertTrue(fee * 1_000_000 >= total * feePpm);
        assertTrue(share * 1_000_000 >= (total - fee) * sharePpm);
        assertTrue(fee * 1_000_000 < total * feePpm + 1_000_000);
        assertTrue(share * 1_000_000 < (total - fee) * sharePpm + 1_000_000);
    }

    function test_splitAsDocumented() external pure {
        (uint256 fee, uint256 share, uint256 rest) = Shares.split(1_000_001, 10_000, 200_000);
        assertEq(fee, 10_001);
        assertEq(share, 198_000);
        assertEq(rest, 792_000);
    }

    function testFuzz_proRataNeverPaysMoreThanThePool(uint128[6] calldata owed, uint256 pool) external pure {
        uint256 owedToAll;
        for (uint256 i = 0; i < owed.length; ++i) {
            owedToAll += owed[i];
        }
        pool = bound(pool, 0, type(uint136).max);
        uint256 paid;
        for (uint256 i = 0; i < owed.length; ++i) {
            uint256 part = Shares.proRata(owed[i], owedToAll, pool);
            assertTrue(part <= owed[i]);
            paid += part;
        }
        assertTrue(paid <= pool);
        if (owedToAll <= pool) assertEq(paid, owedToAll);
        else assertTrue(paid + owed.length > pool);
    }

    function testFuzz_balancePacksAndUnpacks(uint128 collected, uint128 reserve) external pure {
        ChannelBalance balance = ChannelBalances.pack(collected, reserve);
        assertEq(balance.collected(), collected);
        assertEq(balance.reserve(), reserve);
    }

    function testFuzz_bufferHashesAsAbiEncodeDoes(
        address[3] calldata who,
        uint256 cluster,
        uint32 clusterPpm,
        uint128 cumulative,
        uint64 seq,
        bytes32 usageRoot
    ) external pure {
        uint256[9] memory voucher = Vouchers.open(who[1], who[2], cluster, clusterPpm);
        voucher.fill(address(type(uint160).max), type(uint256).max, bytes32(type(uint256).max));
        voucher.fill(who[0], uint256(cumulative) << 64 | seq, usageRoot);
        assertEq(voucher.channelId(), keccak256(abi.encode(who[0], who[1], who[2], cluster, clusterPpm)));
        bytes32 wanted = keccak256(
            bytes.concat(
                abi.encode(Vouchers.TYPE_HASH, who[0], who[1], who[2], cluster, clusterPpm),
                abi.encode(cumulative, seq, usageRoot)
            )
        );
        assertEq(voucher.structHash(), wanted);
    }
}
