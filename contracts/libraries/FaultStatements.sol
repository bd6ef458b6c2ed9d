// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IFaults} from "../interfaces/IFaults.sol";

/// @title Hashing of the statements that a node is held to
/// @notice All fields are of one word in EIP-712, as in `abi.encode`.
library FaultStatements {
    bytes32 internal constant RECEIPT_TYPE_HASH = keccak256(
        "Receipt(bytes32 job,uint64 seq,uint32 attempt,bytes32 quoteHash,bytes32 inputHash,bytes32 outputRoot,uint64 firstFrame,uint32 frames,uint32 durationMs,uint64 sizeBytes)"
    );
    bytes32 internal constant DEAL_TYPE_HASH = keccak256(
        "StorageDeal(address node,address buyer,address token,bytes32 contentRoot,uint64 sizeBytes,uint64 startsAt,uint64 expiresAt,uint256 price,uint128 termValue,uint128 bond,uint256 nonce)"
    );

    function digest(IFaults.Receipt calldata receipt, bytes32 domainSeparator) internal pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator, keccak256(abi.encode(RECEIPT_TYPE_HASH, receipt)));
    }

    function digest(IFaults.StorageDeal calldata deal, bytes32 domainSeparator) internal pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator, keccak256(abi.encode(DEAL_TYPE_HASH, deal)));
    }

    /// @notice Who signed; low s and nothing malformed.
    function signerOf(bytes32 hash, IFaults.Signature calldata signature) internal pure returns (address signer) {
        (signer,,) = ECDSA.tryRecover(hash, signature.r, signature.vs);
        if (signer == address(0)) revert IFaults.FaultsSignatureInvalid();
    }
}
