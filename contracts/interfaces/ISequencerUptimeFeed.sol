// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title What a rollup's oracle says about its sequencer
/// @notice `answer` is 0 while it is up and 1 while it is down, since `startedAt`. The other values mean nothing here.
interface ISequencerUptimeFeed {
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
