// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ISequencerUptimeFeed} from "../interfaces/ISequencerUptimeFeed.sol";

/// @title A sequencer's oracle that says what a test wants
contract SwitchedFeed is ISequencerUptimeFeed {
    enum Mode {
        Answers,
        Reverts,
        AnswersShort
    }

    error SwitchedFeedReverted();

    Mode public mode;
    int256 public answer;
    uint256 public startedAt;

    function set(Mode newMode, int256 newAnswer, uint256 newStartedAt) external {
        mode = newMode;
        answer = newAnswer;
        startedAt = newStartedAt;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        if (mode == Mode.Reverts) revert SwitchedFeedReverted();
        if (mode == Mode.AnswersShort) {
            // Safe: ends the call; nothing in memory is used again.
            assembly ("memory-safe") {
                mstore(0, 0)
                return(0, 0x20)
            }
        }
        return (1, answer, startedAt, startedAt, 1);
    }
}
