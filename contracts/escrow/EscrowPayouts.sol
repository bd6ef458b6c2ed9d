// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {IPaymentEscrow} from "../interfaces/IPaymentEscrow.sol";
import {ClusterAccounts} from "../libraries/ClusterAccounts.sol";
import {Shares} from "../libraries/Shares.sol";
import {Vouchers} from "../libraries/Vouchers.sol";
import {EscrowSigners} from "./EscrowSigners.sol";

/// @title Who signed a voucher, what a channel can still give, and where the money goes
abstract contract EscrowPayouts is EscrowSigners {
    using Vouchers for uint256[9];

    /// @dev What a token's transfer may cost: three times what USDC's does.
    uint256 public constant PUSH_GAS = 150_000;

    /// @dev Who gets a group's money.
    struct Recipient {
        bool known;
        bool isNode;
        bool pushPayouts;
        address beneficiary;
    }

    IOperatorRegistry internal immutable _operatorRegistry;

    constructor(address operatorRegistry_) {
        if (operatorRegistry_ == address(0)) revert PaymentEscrowAddressZero();
        _operatorRegistry = IOperatorRegistry(operatorRegistry_);
    }

    /// @inheritdoc IPaymentEscrow
    function operatorRegistry() external view returns (address) {
        return address(_operatorRegistry);
    }

    /// @inheritdoc IPaymentEscrow
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @dev Whether the payee exists and agreed to the share, and who receives for it.
    function _resolve(address payee, uint256 payeeCluster, uint256 cluster, uint256 clusterPpm)
        internal
        view
        returns (Recipient memory to, SkipReason reason)
    {
        reason = SkipReason.ShareNotAccepted;
        if (payeeCluster != 0) {
            bool exists = _clusterRegistry.ownerOf(payeeCluster) != address(0);
            if (!exists || payee != ClusterAccounts.accountOf(payeeCluster)) return (to, SkipReason.PayeeUnknown);
            // A cluster is paid in hub mode alone, without another cluster's share.
            to.known = cluster == 0 && clusterPpm == 0;
            to.beneficiary = payee;
            return (to, reason);
        }
        address operator;
        (operator, to.beneficiary, to.pushPayouts) = _operatorRegistry.payoutOf(payee);
        if (operator == address(0)) return (to, SkipReason.PayeeUnknown);
        to.isNode = true;
        if (cluster == 0) {
            to.known = clusterPpm == 0;
        } else {
            (bool accepted, uint32 highestPpm) = _clusterRegistry.highestAcceptedShare(cluster, operator);
            to.known = accepted && clusterPpm <= highestPpm;
        }
    }

    /// @dev Low s and nothing malformed: OpenZeppelin's recovery gives zero for the rest.
    function _signerOf(uint256[9] memory voucher, bytes32 separator, bytes32 r, bytes32 vs)
        internal
        pure
        returns (address signer)
    {
        (signer,,) = ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(separator, voucher.structHash()), r, vs);
    }

    /// @dev Zero, the mark of a malformed signature, signs for nobody.
    function _isClusterSigner(uint256 cluster, address signer) internal view returns (bool) {
        return signer != address(0) && _clusterRegistry.isVoucherSigner(cluster, signer);
    }

    function _drawPool(address payer, address token, uint256 wanted) internal returns (uint256 taken) {
        uint256 pool = _pools[payer][token];
        taken = wanted < pool ? wanted : pool;
        if (taken != 0) _pools[payer][token] = pool - taken;
    }

    function _drawThawing(Channel storage channel, uint256 wanted) internal returns (uint256 taken) {
        uint256 thawing = channel.thawing;
        taken = wanted < thawing ? wanted : thawing;
        // Safe: what is taken is at most the 128-bit number that it is taken from.
        if (taken != 0) channel.thawing = uint128(thawing - taken);
    }

    /// @dev Treasury and cluster are credited; the payee's beneficiary is sent or credited its part. A fee is taken
    /// where a node is paid, so that money on its way through a cluster pays it once.
    function _payOut(
        Recipient memory to,
        address payee,
        address token,
        uint256 cluster,
        uint256 clusterPpm,
        uint256 total
    ) internal {
        uint256 fee;
        uint256 share;
        uint256 rest = total;
        if (to.isNode) {
            (uint256 ppm, address treasuryAccount) = _feeAndTreasury();
            (fee, share, rest) = Shares.split(total, ppm, clusterPpm);
            if (fee != 0) _pools[treasuryAccount][token] += fee;
            if (share != 0) _pools[ClusterAccounts.accountOf(cluster)][token] += share;
        }
        bool pushed = to.pushPayouts && rest != 0 && _push(token, to.beneficiary, rest);
        if (!pushed && rest != 0) _pools[to.beneficiary][token] += rest;
        emit PaidOut(token, payee, to.beneficiary, rest, share, fee, pushed);
    }

    /// @dev A failed push is an answer, not a revert: the caller credits instead. The token gets a fixed allowance of
    /// gas, so that one which burns all it gets stops nobody else, and a submitter must bring it, so that nobody can turn
    /// pushes into credits by bringing too little.
    function _push(address token, address beneficiary, uint256 amount) private returns (bool) {
        // A call gets at most 63 of 64 parts of what is left.
        uint256 wanted = PUSH_GAS + PUSH_GAS / 32 + 5_000;
        if (gasleft() < wanted) revert PaymentEscrowGasShort(wanted, gasleft());
        (bool success, bytes memory answer) =
            token.call{gas: PUSH_GAS}(abi.encodeCall(IERC20.transfer, (beneficiary, amount)));
        if (!success) return false;
        // Some tokens return nothing; then there must at least be code that could have moved something.
        if (answer.length == 0) return token.code.length != 0;
        return answer.length >= 32 && abi.decode(answer, (uint256)) == 1;
    }
}
