// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @notice What a channel has paid and what it promises, in one word: collected in the upper 128 bits, the reserve that
/// is not thawing in the lower. One type of its own keeps every claim at one read and one write of storage.
type ChannelBalance is uint256;

using ChannelBalances for ChannelBalance global;

/// @title Packing of a channel's balance
library ChannelBalances {
    /// @notice Both must be of 128 bits: callers prove it, since a carry would move money between the halves.
    function pack(uint256 collected_, uint256 reserve_) internal pure returns (ChannelBalance) {
        return ChannelBalance.wrap(collected_ << 128 | reserve_);
    }

    function collected(ChannelBalance balance) internal pure returns (uint256) {
        return ChannelBalance.unwrap(balance) >> 128;
    }

    function reserve(ChannelBalance balance) internal pure returns (uint256) {
        return uint128(ChannelBalance.unwrap(balance));
    }
}
