// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EscrowDeposits} from "./escrow/EscrowDeposits.sol";
import {EscrowFunds} from "./escrow/EscrowFunds.sol";
import {EscrowPayouts} from "./escrow/EscrowPayouts.sol";
import {EscrowSettings} from "./escrow/EscrowSettings.sol";
import {IPaymentEscrow} from "./interfaces/IPaymentEscrow.sol";
import {ChannelBalance, ChannelBalances} from "./libraries/ChannelBalance.sol";
import {ClusterAccounts} from "./libraries/ClusterAccounts.sol";
import {Shares} from "./libraries/Shares.sol";
import {Vouchers} from "./libraries/Vouchers.sol";

/// @title PaymentEscrow
contract PaymentEscrow is EscrowDeposits, EscrowPayouts {
    using Vouchers for uint256[9];

    constructor(
        address authority,
        address operatorRegistry_,
        address clusterRegistry_,
        address treasury_,
        uint256 thawPeriod_
    )
        EscrowSettings(authority, treasury_, thawPeriod_)
        EscrowFunds(clusterRegistry_)
        EscrowPayouts(operatorRegistry_)
    {}

    /// @inheritdoc IPaymentEscrow
    function collect(ClaimGroup[] calldata groups) external nonReentrant returns (uint256[] memory paid) {
        paid = new uint256[](groups.length);
        for (uint256 i = 0; i < groups.length; ++i) {
            ClaimGroup calldata group = groups[i];
            uint256[9] memory voucher = Vouchers.open(group.payee, group.token, group.cluster, group.clusterPpm);
            paid[i] = _collectGroup(voucher, group.payeeCluster, group.payerCluster, group.claims);
        }
    }

    /// @inheritdoc IPaymentEscrow
    function collectFor(
        uint256 cluster,
        address token,
        Claim[] calldata buyers,
        MemberClaim[] calldata members
    ) external nonReentrant returns (uint256 fromBuyers, uint256 toMembers) {
        address account = ClusterAccounts.accountOf(cluster);
        fromBuyers = _collectGroup(Vouchers.open(account, token, 0, 0), cluster, 0, buyers);
        toMembers = _payMembers(cluster, account, token, members);
    }

    /// @dev All claims of one payee on one token: drawn one by one, paid out together.
    function _collectGroup(
        uint256[9] memory voucher,
        uint256 payeeCluster,
        uint256 payerCluster,
        Claim[] calldata claims
    ) private returns (uint256 total) {
        (Recipient memory to, SkipReason reason) =
            _resolve(voucher.payee(), payeeCluster, voucher.cluster(), voucher.clusterPpm());
        if (!to.known) {
            for (uint256 i = 0; i < claims.length; ++i) {
                emit ClaimSkipped(claims[i].payer, voucher.payee(), voucher.token(), reason);
            }
            return 0;
        }
        address onlyPayer = payerCluster == 0 ? address(0) : ClusterAccounts.accountOf(payerCluster);
        bytes32 separator = _domainSeparatorV4();
        // Safe: the counter stays below the length, and the total below 2^128 times the number of claims.
        unchecked {
            for (uint256 i = 0; i < claims.length; ++i) {
                Claim calldata claim = claims[i];
                voucher.fill(claim.payer, claim.total, claim.usageRoot);
                address signer = _signerOf(voucher, separator, claim.r, claim.vs);
                total += _claim(voucher, signer, payerCluster, onlyPayer);
            }
        }
        if (total != 0) {
            _payOut(to, voucher.payee(), voucher.token(), voucher.cluster(), voucher.clusterPpm(), total);
        }
    }

    function _claim(uint256[9] memory voucher, address signer, uint256 payerCluster, address onlyPayer)
        private
        returns (uint256 paid)
    {
        address payer = voucher.payer();
        bytes32 id = voucher.channelId();
        if (signer != payer || signer == address(0)) {
            // A cluster's account is signed for by its balancer keys, another payer by whom it allotted on this channel.
            if (payerCluster == 0) {
                (bool isGood, SkipReason reason) = _judgeAllotted(id, signer, voucher.cumulative());
                if (!isGood) return _skip(voucher, reason);
            } else {
                if (payer != onlyPayer) return _skip(voucher, SkipReason.PayerNotCluster);
                if (!_isClusterSigner(payerCluster, signer)) return _skip(voucher, SkipReason.SignatureWrong);
            }
        }
        Channel storage channel = _channels[id];
        ChannelBalance balance = channel.balance;
        uint256 cumulative = voucher.cumulative();
        if (cumulative <= balance.collected()) return _skip(voucher, SkipReason.NothingNew);
        // Safe: the total was found larger than what is collected; owed is then compared with the reserve. Both halves
        // fit: the total comes from a uint128, the reserve only shrinks.
        unchecked {
            uint256 owed = cumulative - balance.collected();
            uint256 held = balance.reserve();
            if (owed > held) return _claimBeyondReserve(voucher, id, channel, owed);
            channel.balance = ChannelBalances.pack(cumulative, held - owed);
            emit Collected(id, cumulative);
            return owed;
        }
    }

    /// @dev Reserve, then pool, then the thawing part. What is missing stays claimable: only what is paid is recorded.
    function _claimBeyondReserve(uint256[9] memory voucher, bytes32 id, Channel storage channel, uint256 owed)
        private
        returns (uint256 paid)
    {
        paid = channel.balance.reserve();
        paid += _drawPool(voucher.payer(), voucher.token(), owed - paid);
        if (paid < owed) paid += _drawThawing(channel, owed - paid);
        _record(voucher, id, channel, owed, paid, 0);
    }

    /// @dev Each member's reserve first, then the cluster's pool in proportion, then each one's thawing part.
    function _payMembers(uint256 cluster, address account, address token, MemberClaim[] calldata members)
        private
        returns (uint256 total)
    {
        uint256[] memory owed = new uint256[](members.length);
        uint256[] memory paid = new uint256[](members.length);
        uint256 owedToAll = _openMembers(cluster, account, token, members, owed, paid);
        uint256 pool = _pools[account][token];
        uint256 fromPool;
        for (uint256 i = 0; i < members.length; ++i) {
            uint256 part = Shares.proRata(owed[i] - paid[i], owedToAll, pool);
            paid[i] += part;
            fromPool += part;
        }
        // Written before anyone is paid: a beneficiary's credit may go to this very pool.
        if (fromPool != 0) _pools[account][token] = pool - fromPool;
        for (uint256 i = 0; i < members.length; ++i) {
            if (owed[i] != 0) total += _closeMember(account, token, members[i], owed[i], paid[i]);
        }
    }

    /// @dev What each member is owed (0 where its claim is passed over) and what its reserve covers of it.
    function _openMembers(
        uint256 cluster,
        address account,
        address token,
        MemberClaim[] calldata members,
        uint256[] memory owed,
        uint256[] memory paid
    ) private returns (uint256 owedToAll) {
        bytes32 separator = _domainSeparatorV4();
        address last;
        for (uint256 i = 0; i < members.length; ++i) {
            MemberClaim calldata claim = members[i];
            uint256[9] memory voucher = _memberVoucher(account, token, claim);
            // A payee listed twice would count twice in the proportion: rising order rules that out.
            if (claim.payee <= last) {
                _skip(voucher, SkipReason.OutOfOrder);
                continue;
            }
            last = claim.payee;
            if (_operatorRegistry.operatorOf(claim.payee) == address(0)) {
                _skip(voucher, SkipReason.PayeeUnknown);
                continue;
            }
            ChannelBalance balance = _channels[voucher.channelId()].balance;
            uint256 cumulative = voucher.cumulative();
            if (cumulative <= balance.collected()) {
                _skip(voucher, SkipReason.NothingNew);
                continue;
            }
            if (!_isClusterSigner(cluster, _signerOf(voucher, separator, claim.r, claim.vs))) {
                _skip(voucher, SkipReason.SignatureWrong);
                continue;
            }
            owed[i] = cumulative - balance.collected();
            paid[i] = Math.min(owed[i], balance.reserve());
            owedToAll += owed[i] - paid[i];
        }
    }

    /// @dev Records and pays one member. `paid` is what reserve and pool gave; the thawing part gives last.
    function _closeMember(
        address account,
        address token,
        MemberClaim calldata claim,
        uint256 owed,
        uint256 paid
    ) private returns (uint256) {
        uint256[9] memory voucher = _memberVoucher(account, token, claim);
        bytes32 id = voucher.channelId();
        Channel storage channel = _channels[id];
        uint256 held = channel.balance.reserve();
        if (paid < owed) paid += _drawThawing(channel, owed - paid);
        _record(voucher, id, channel, owed, paid, owed < held ? held - owed : 0);
        if (paid != 0) {
            (Recipient memory to,) = _resolve(claim.payee, 0, 0, 0);
            _payOut(to, claim.payee, token, 0, 0, paid);
        }
        return paid;
    }

    function _memberVoucher(address account, address token, MemberClaim calldata claim)
        private
        pure
        returns (uint256[9] memory voucher)
    {
        voucher = Vouchers.open(claim.payee, token, 0, 0);
        voucher.fill(account, claim.total, claim.usageRoot);
    }

    function _record(
        uint256[9] memory voucher,
        bytes32 id,
        Channel storage channel,
        uint256 owed,
        uint256 paid,
        uint256 held
    ) private {
        if (paid != 0) {
            if (ChannelBalance.unwrap(channel.balance) == 0) _nameChannel(voucher, id);
            uint256 collected = channel.balance.collected() + paid;
            // Safe: collected stays at most the voucher's cumulative, the reserve only shrinks; both are of 128 bits.
            channel.balance = ChannelBalances.pack(collected, held);
            emit Collected(id, collected);
        }
        if (paid < owed) emit Bounced(voucher.payer(), voucher.payee(), id, owed - paid);
    }

    /// @dev `Collected` names a channel by its id alone. One that nothing was ever reserved on gets its parties told here.
    function _nameChannel(uint256[9] memory voucher, bytes32 id) private {
        emit Reserved(
            voucher.payer(),
            voucher.payee(),
            voucher.token(),
            id,
            voucher.cluster(),
            uint32(voucher.clusterPpm()),
            0,
            0
        );
    }

    function _skip(uint256[9] memory voucher, SkipReason reason) private returns (uint256) {
        emit ClaimSkipped(voucher.payer(), voucher.payee(), voucher.token(), reason);
        return 0;
    }
}
