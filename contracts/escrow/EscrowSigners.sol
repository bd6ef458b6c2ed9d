// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IPaymentEscrow} from "../interfaces/IPaymentEscrow.sol";
import {EscrowFunds} from "./EscrowFunds.sol";

/// @title Keys that may sign a payer's vouchers, each up to a total per channel
abstract contract EscrowSigners is EscrowFunds, EIP712 {
    /// @dev A bound that no payer can move: a forgotten signer ends by itself.
    uint256 public constant MAXIMUM_ALLOTMENT = 400 days;

    bytes32 private constant _SIGNER_POSSESSION_TYPE_HASH =
        keccak256("SignerPossession(address payer,address signer,uint64 validUntil)");

    /// @dev One slot.
    struct Allotment {
        uint128 cap;
        uint64 validUntil;
    }

    mapping(bytes32 channel => mapping(address signer => Allotment)) private _allotments;

    constructor() EIP712("Leat", "1") {}

    /// @inheritdoc IPaymentEscrow
    function allotSigner(
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint128 cap,
        uint64 validUntil,
        SignerProof calldata proof
    ) external whenNotPaused {
        if (cap == 0) revert PaymentEscrowAmountZero();
        uint256 latest = block.timestamp + MAXIMUM_ALLOTMENT;
        if (validUntil <= block.timestamp || validUntil > latest) {
            revert PaymentEscrowValidityOutOfBounds(latest, validUntil);
        }
        _checkPossession(proof);
        bytes32 id = _channelId(msg.sender, payee, token, cluster, clusterPpm);
        Allotment storage allotment = _allotments[id][proof.signer];
        // A lower cap would take back vouchers that a payee accepted: it needs a revocation and the wait after it.
        if (cap < allotment.cap && block.timestamp <= _signerEndsAt(allotment)) {
            revert PaymentEscrowCapFell(allotment.cap, cap);
        }
        allotment.cap = cap;
        allotment.validUntil = validUntil;
        emit SignerAllotted(msg.sender, payee, proof.signer, id, cap, validUntil);
    }

    /// @inheritdoc IPaymentEscrow
    function revokeSigner(address payee, address token, uint256 cluster, uint32 clusterPpm, address signer) external {
        bytes32 id = _channelId(msg.sender, payee, token, cluster, clusterPpm);
        Allotment storage allotment = _allotments[id][signer];
        if (allotment.validUntil <= block.timestamp) revert PaymentEscrowSignerNotAllotted(id, signer);
        allotment.validUntil = uint64(block.timestamp);
        emit SignerRevoked(msg.sender, payee, signer, id, uint64(block.timestamp));
    }

    /// @inheritdoc IPaymentEscrow
    function allotmentOf(bytes32 channel, address signer) external view returns (uint128 cap, uint64 validUntil) {
        Allotment storage allotment = _allotments[channel][signer];
        return (allotment.cap, allotment.validUntil);
    }

    /// @dev Whether the signer may have signed this total: its vouchers stay collectable one thaw after its end.
    function _judgeAllotted(bytes32 channel, address signer, uint256 cumulative)
        internal
        view
        returns (bool isGood, SkipReason reason)
    {
        Allotment storage allotment = _allotments[channel][signer];
        // Zero, the mark of a malformed signature, is nobody's signer: no possession can be proven for it.
        if (allotment.validUntil == 0) return (false, SkipReason.SignatureWrong);
        if (block.timestamp > _signerEndsAt(allotment)) return (false, SkipReason.SignerExpired);
        return (cumulative <= allotment.cap, SkipReason.SignerCapExceeded);
    }

    function _signerEndsAt(Allotment storage allotment) private view returns (uint256) {
        return uint256(allotment.validUntil) + _thawPeriod;
    }

    function _checkPossession(SignerProof calldata proof) private view {
        if (block.timestamp > proof.validUntil) revert PaymentEscrowProofExpired(proof.validUntil, block.timestamp);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(_SIGNER_POSSESSION_TYPE_HASH, msg.sender, proof.signer, proof.validUntil))
        );
        (address signer,,) = ECDSA.tryRecover(digest, proof.r, proof.vs);
        if (signer != proof.signer || signer == address(0)) revert PaymentEscrowProofWrong(proof.signer, signer);
    }
}
