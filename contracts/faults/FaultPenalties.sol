// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IFaults} from "../interfaces/IFaults.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {FaultSettings} from "./FaultSettings.sol";

/// @title How much a proof takes and where it goes
abstract contract FaultPenalties is FaultSettings {
    using SafeERC20 for IERC20;

    /// @dev Nobody has its key. LPT on a rollup lets only its bridge burn, and some tokens refuse the zero address.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;
    uint256 public constant DAY = 1 days;

    /// @dev One slot for each key: a run of penalties with less than a day between one and the next, and the stake when
    /// it began. All of a run together take at most the daily part of that stake, and a day lies between two runs, so no
    /// span of a day holds more, wherever it begins.
    struct Run {
        uint64 lastAt;
        uint96 stake;
        uint96 taken;
    }

    IOperatorRegistry internal immutable _operators;
    IERC20 private immutable _stakeToken;

    mapping(address node => Run) private _runs;

    constructor(address authority, address operatorRegistry_, address feed) FaultSettings(authority, feed) {
        if (operatorRegistry_ == address(0)) revert FaultsAddressZero();
        _operators = IOperatorRegistry(operatorRegistry_);
        _stakeToken = IERC20(_operators.stakeToken());
    }

    /// @inheritdoc IFaults
    function slashable(address node) external view returns (uint256 room) {
        address operator = _operators.operatorOf(node);
        if (operator == address(0) || block.timestamp > _accountableUntil(node)) return 0;
        (, room) = _roomOf(node, _stakeOf(operator));
    }

    /// @inheritdoc IFaults
    function operatorRegistry() external view returns (address) {
        return address(_operators);
    }

    /// @dev The operator of a key that can still be held to what it signed: until one thaw after it was revoked. Who
    /// lies and revokes at once gains nothing, since its stake needs as long to leave; a key that leaks years later is
    /// worth nothing to whoever finds it.
    function _accountable(address node) internal view returns (address operator) {
        operator = _operators.operatorOf(node);
        if (operator == address(0)) revert FaultsKeyUnknown(node);
        uint256 until = _accountableUntil(node);
        if (block.timestamp > until) revert FaultsEvidenceLate(until, block.timestamp);
    }

    /// @dev Takes at most `wanted` and at most what is left for this key; zero where nothing is.
    function _take(address node, address operator, uint256 wanted, address reporter)
        internal
        returns (uint256 taken, uint256 reward)
    {
        (Run memory run, uint256 room) = _roomOf(node, _stakeOf(operator));
        uint256 amount = Math.min(wanted, room);
        if (amount == 0) return (0, 0);
        run.lastAt = uint64(block.timestamp);
        // Safe: at most a part of the run's stake, which has 96 bits.
        run.taken += uint96(amount);
        _runs[node] = run;
        uint256 before = _stakeToken.balanceOf(address(this));
        _operators.slash(operator, amount);
        taken = _stakeToken.balanceOf(address(this)) - before;
        // Rounded down, against who asks.
        reward = taken * _settings.rewardPpm / _PPM;
        if (reward != 0) _stakeToken.safeTransfer(reporter, reward);
        _stakeToken.safeTransfer(BURN_ADDRESS, taken - reward);
    }

    /// @dev The operator's own and its sponsors'. What thaws counts: it can be slashed until it is withdrawn.
    function _stakeOf(address operator) internal view returns (uint256) {
        return _operators.stakeOf(operator).slashable;
    }

    /// @dev A stake of 1,000 allows 50. After 20 were taken, 30 are left until a day passed without a penalty; then 5 %
    /// of what is at stake at that time. A top-up within a run raises nothing, a withdrawal lowers it.
    function _roomOf(address node, uint256 stake) private view returns (Run memory run, uint256 room) {
        run = _runs[node];
        uint256 revokedAt = _operators.revokedAt(node);
        // What was done to a revoked key counts to its end: whoever stole it can cost its operator one run, not one a day.
        bool isLast = revokedAt != 0 && run.lastAt >= revokedAt;
        if (!isLast && block.timestamp >= run.lastAt + DAY) {
            // Safe: cut to 96 bits, which is more than any token has.
            run = Run({lastAt: 0, stake: uint96(Math.min(stake, type(uint96).max)), taken: 0});
        }
        uint256 base = Math.min(run.stake, stake + run.taken);
        uint256 most = base * MAXIMUM_DAILY_PPM / _PPM;
        room = most > run.taken ? most - run.taken : 0;
    }

    function _accountableUntil(address node) private view returns (uint256) {
        uint256 revokedAt = _operators.revokedAt(node);
        return revokedAt == 0 ? type(uint256).max : revokedAt + _operators.thawPeriod();
    }
}
