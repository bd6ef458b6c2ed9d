// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {DevelopmentToken} from "./DevelopmentToken.sol";

/// @title A token shaped like USDC: six decimals, permit, a blocklist and a pause, both checked on every transfer
contract DevelopmentUsdc is DevelopmentToken {
    error DevelopmentUsdcBlocked(address account);
    error DevelopmentUsdcPaused();

    bool public paused;
    mapping(address account => bool) public blocked;

    constructor() DevelopmentToken("USD Coin", "USDC", 6) {}

    function setBlocked(address account, bool isBlocked) external {
        blocked[account] = isBlocked;
    }

    function setPaused(bool isPaused) external {
        paused = isPaused;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (paused) revert DevelopmentUsdcPaused();
        if (blocked[from]) revert DevelopmentUsdcBlocked(from);
        if (blocked[to]) revert DevelopmentUsdcBlocked(to);
        super._update(from, to, value);
    }
}
