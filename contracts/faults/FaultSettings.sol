// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IFaults} from "../interfaces/IFaults.sol";
import {ISequencerUptimeFeed} from "../interfaces/ISequencerUptimeFeed.sol";
import {StorageProofs} from "../libraries/StorageProofs.sol";

/// @title What governance can set about faults, within bounds, and what follows from it
abstract contract FaultSettings is IFaults, AccessManaged, Pausable {
    /// @dev Bounds that no governor can move. The penalty has a lower one too: it cannot be switched off.
    uint256 public constant MINIMUM_EQUIVOCATION_PPM = 10_000;
    uint256 public constant MAXIMUM_DAILY_PPM = 50_000;
    uint256 public constant MAXIMUM_REWARD_PPM = 100_000;
    uint256 public constant MINIMUM_ANSWER_PERIOD = 1 days;
    uint256 public constant MAXIMUM_ANSWER_PERIOD = 7 days;
    uint256 public constant MAXIMUM_ANSWER_GAS = 3_000_000;
    uint256 public constant MAXIMUM_ANSWER_FEE = 500 gwei;

    uint256 internal constant _PPM = 1_000_000;
    /// @dev One more sibling: its 32 bytes of calldata, two calls of SHA-256 and the loop around them, rounded up.
    uint256 private constant _GAS_PER_LEVEL = 1_500;

    /// @dev One slot.
    struct Settings {
        uint32 equivocationPpm;
        uint32 rewardPpm;
        uint32 answerPeriod;
        address sequencerFeed;
    }

    Settings internal _settings;
    AnswerGas private _answerGas;

    constructor(address authority, address feed) AccessManaged(authority) {
        _setPenalties(uint32(MAXIMUM_DAILY_PPM), uint32(MAXIMUM_REWARD_PPM));
        _setAnswerPeriod(uint32(MINIMUM_ANSWER_PERIOD));
        // More than twice what an answer with its KiB of calldata takes, which a test measures: a rollup adds a data fee.
        _setAnswerGas(250_000, 0.01 gwei, 100 gwei);
        _setSequencerFeed(feed);
    }

    /// @inheritdoc IFaults
    function setPenalties(uint32 newEquivocationPpm, uint32 newRewardPpm) external restricted {
        _setPenalties(newEquivocationPpm, newRewardPpm);
    }

    /// @inheritdoc IFaults
    function setAnswerPeriod(uint32 newAnswerPeriod) external restricted {
        _setAnswerPeriod(newAnswerPeriod);
    }

    /// @inheritdoc IFaults
    function setAnswerGas(uint64 gas, uint96 minimumFee, uint96 maximumFee) external restricted {
        _setAnswerGas(gas, minimumFee, maximumFee);
    }

    /// @inheritdoc IFaults
    function setSequencerFeed(address newFeed) external restricted {
        _setSequencerFeed(newFeed);
    }

    /// @inheritdoc IFaults
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IFaults
    function unpause() external restricted {
        _unpause();
    }

    /// @inheritdoc IFaults
    /// @dev 1 MiB at 0.1 gwei: 2 * (250,000 + 10 * 1,500) * 0.1 gwei = 53,000 gwei.
    function challengeBond(uint256 sizeBytes) public view returns (uint256) {
        uint256 levels = Math.log2(StorageProofs.leafCount(sizeBytes), Math.Rounding.Ceil);
        AnswerGas memory terms = _answerGas;
        uint256 fee = Math.min(Math.max(block.basefee, terms.minimumFee), terms.maximumFee);
        return 2 * (terms.gas + levels * _GAS_PER_LEVEL) * fee;
    }

    /// @inheritdoc IFaults
    function equivocationPpm() external view returns (uint256) {
        return _settings.equivocationPpm;
    }

    /// @inheritdoc IFaults
    function rewardPpm() external view returns (uint256) {
        return _settings.rewardPpm;
    }

    /// @inheritdoc IFaults
    function answerPeriod() external view returns (uint256) {
        return _settings.answerPeriod;
    }

    /// @inheritdoc IFaults
    function answerGas() external view returns (AnswerGas memory) {
        return _answerGas;
    }

    /// @inheritdoc IFaults
    function sequencerFeed() external view returns (address) {
        return _settings.sequencerFeed;
    }

    /// @dev When the sequencer came back last; zero where there is none. While it is down, or where the feed says
    /// nothing that can be believed, no default can be proven: a node must not pay for what it could not hear.
    function _sequencerRecoveredAt() internal view returns (uint256 startedAt) {
        address feed = _settings.sequencerFeed;
        if (feed == address(0)) return 0;
        (bool success, bytes memory data) = feed.staticcall(abi.encodeCall(ISequencerUptimeFeed.latestRoundData, ()));
        if (!success || data.length < 96) revert FaultsSequencerUnknown(feed);
        uint256 answer;
        (, answer, startedAt) = abi.decode(data, (uint256, uint256, uint256));
        if (answer == 1) revert FaultsSequencerDown();
        // Zero is a round that was never filled, what is to come nobody can know.
        if (answer != 0 || startedAt == 0 || startedAt > block.timestamp) revert FaultsSequencerUnknown(feed);
    }

    function _setPenalties(uint32 newEquivocationPpm, uint32 newRewardPpm) private {
        if (newEquivocationPpm < MINIMUM_EQUIVOCATION_PPM || newEquivocationPpm > MAXIMUM_DAILY_PPM) {
            revert FaultsPenaltyOutOfBounds(MAXIMUM_DAILY_PPM, newEquivocationPpm);
        }
        if (newRewardPpm > MAXIMUM_REWARD_PPM) revert FaultsRewardTooLarge(MAXIMUM_REWARD_PPM, newRewardPpm);
        _settings.equivocationPpm = newEquivocationPpm;
        _settings.rewardPpm = newRewardPpm;
        emit PenaltiesChanged(newEquivocationPpm, newRewardPpm);
    }

    function _setAnswerPeriod(uint32 newAnswerPeriod) private {
        if (newAnswerPeriod < MINIMUM_ANSWER_PERIOD || newAnswerPeriod > MAXIMUM_ANSWER_PERIOD) {
            revert FaultsAnswerPeriodOutOfBounds(MINIMUM_ANSWER_PERIOD, MAXIMUM_ANSWER_PERIOD, newAnswerPeriod);
        }
        _settings.answerPeriod = newAnswerPeriod;
        emit AnswerPeriodChanged(newAnswerPeriod);
    }

    function _setAnswerGas(uint64 gas, uint96 minimumFee, uint96 maximumFee) private {
        if (gas > MAXIMUM_ANSWER_GAS) revert FaultsAnswerGasOutOfBounds(MAXIMUM_ANSWER_GAS, gas);
        if (maximumFee > MAXIMUM_ANSWER_FEE) revert FaultsAnswerFeeOutOfBounds(MAXIMUM_ANSWER_FEE, maximumFee);
        if (minimumFee > maximumFee) revert FaultsAnswerFeeOutOfBounds(maximumFee, minimumFee);
        _answerGas = AnswerGas({gas: gas, minimumFee: minimumFee, maximumFee: maximumFee});
        emit AnswerGasChanged(gas, minimumFee, maximumFee);
    }

    function _setSequencerFeed(address newFeed) private {
        _settings.sequencerFeed = newFeed;
        emit SequencerFeedChanged(newFeed);
    }
}
