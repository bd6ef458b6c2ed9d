// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {DevelopmentToken} from "./DevelopmentToken.sol";

/// @title A token that misbehaves in one chosen way on every transfer
contract TrickyToken is DevelopmentToken {
    enum Mode {
        Honest,
        TakesFee,
        ReturnsNothing,
        ReturnsFalse,
        Reverts,
        Reenters,
        BurnsGas,
        AnswersShort
    }

    error TrickyTokenReverted();

    Mode public mode;
    address public target;
    bytes public data;
    bool public reentered;
    bytes4 public reentryError;

    constructor() DevelopmentToken("Tricky", "TRK", 18) {}

    function setMode(Mode newMode) external {
        mode = newMode;
    }

    function setReentry(address newTarget, bytes calldata newData) external {
        mode = Mode.Reenters;
        target = newTarget;
        data = newData;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        _misbehave();
        if (mode == Mode.ReturnsFalse) return false;
        if (mode == Mode.AnswersShort) {
            // Safe: ends the call; nothing in memory is used again.
            assembly ("memory-safe") {
                return(0, 31)
            }
        }
        super.transfer(to, value);
        _answer();
        return true;
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        _misbehave();
        if (mode == Mode.ReturnsFalse) return false;
        super.transferFrom(from, to, value);
        if (mode == Mode.TakesFee) _burn(to, value / 100);
        _answer();
        return true;
    }

    function _misbehave() private {
        if (mode == Mode.Reverts) revert TrickyTokenReverted();
        if (mode == Mode.BurnsGas) {
            while (true) {}
        }
        if (mode == Mode.Reenters) {
            bytes memory answer;
            (reentered, answer) = target.call(data);
            reentryError = bytes4(answer);
        }
    }

    function _answer() private view {
        if (mode != Mode.ReturnsNothing) return;
        // Safe: ends the call; nothing in memory is used again.
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}
