// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title What the escrow needs of EIP-3009
interface IERC3009 {
    /// @notice Moves what `from` authorised by signature; only `to` itself may call.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;
}
