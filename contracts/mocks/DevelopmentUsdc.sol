// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC3009} from "../interfaces/IERC3009.sol";
import {DevelopmentToken} from "./DevelopmentToken.sol";

/// @title A token shaped like USDC: six decimals, permit, EIP-3009, a blocklist and a pause, both checked on every transfer
contract DevelopmentUsdc is DevelopmentToken, IERC3009 {
    bytes32 private constant _RECEIVE_TYPE_HASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    bytes32 private constant _TRANSFER_TYPE_HASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    bytes32 private constant _CANCEL_TYPE_HASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    error DevelopmentUsdcCallerNotPayee(address payee);
    error DevelopmentUsdcAuthorizationTime(uint256 validAfter, uint256 validBefore);
    error DevelopmentUsdcAuthorizationUsed(address from, bytes32 nonce);
    error DevelopmentUsdcAuthorizationSigner(address wanted, address found);

    error DevelopmentUsdcBlocked(address account);
    error DevelopmentUsdcPaused();

    bool public paused;
    mapping(address account => bool) public blocked;
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    constructor() DevelopmentToken("USD Coin", "USDC", 6) {}

    function setBlocked(address account, bool isBlocked) external {
        blocked[account] = isBlocked;
    }

    function setPaused(bool isPaused) external {
        paused = isPaused;
    }

    /// @inheritdoc IERC3009
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
    ) external {
        if (msg.sender != to) revert DevelopmentUsdcCallerNotPayee(to);
        _useAuthorization(_RECEIVE_TYPE_HASH, from, to, value, validAfter, validBefore, nonce, v, r, s);
    }

    /// @notice Moves what `from` authorised by signature; anybody may call.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        _useAuthorization(_TRANSFER_TYPE_HASH, from, to, value, validAfter, validBefore, nonce, v, r, s);
    }

    /// @notice Ends what `authorizer` authorised and nobody used, by its signature; anybody may call.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        _endNonce(keccak256(abi.encode(_CANCEL_TYPE_HASH, authorizer, nonce)), authorizer, nonce, v, r, s);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /// @dev The two kinds share their nonces, as in USDC, and the transfer's event follows that of the nonce.
    function _useAuthorization(
        bytes32 typeHash,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) private {
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) {
            revert DevelopmentUsdcAuthorizationTime(validAfter, validBefore);
        }
        _endNonce(
            keccak256(abi.encode(typeHash, from, to, value, validAfter, validBefore, nonce)), from, nonce, v, r, s
        );
        emit AuthorizationUsed(from, nonce);
        _transfer(from, to, value);
    }

    function _endNonce(bytes32 structHash, address from, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) private {
        if (authorizationState[from][nonce]) revert DevelopmentUsdcAuthorizationUsed(from, nonce);
        address signer = ECDSA.recover(_hashTypedDataV4(structHash), v, r, s);
        if (signer != from) revert DevelopmentUsdcAuthorizationSigner(from, signer);
        authorizationState[from][nonce] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (paused) revert DevelopmentUsdcPaused();
        if (blocked[from]) revert DevelopmentUsdcBlocked(from);
        if (blocked[to]) revert DevelopmentUsdcBlocked(to);
        super._update(from, to, value);
    }
}
