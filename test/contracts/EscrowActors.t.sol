// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IPaymentEscrow} from "../../contracts/interfaces/IPaymentEscrow.sol";
import {Vouchers} from "../../contracts/libraries/Vouchers.sol";
import {EscrowWorld} from "./support/EscrowWorld.sol";

/// @notice Random sequences of two buyers, a signer that they allot and a thief that submits everything and signs what it
/// likes. After every step each account holds exactly what a plain model of the rules says, so that nobody's money moves
/// by another's call but as a voucher that counts says.
contract EscrowActorsTest is EscrowWorld {
    using Vouchers for uint256[9];

    uint256 private constant SIGNER_KEY = 0x519;
    uint256 private constant THIEF_KEY = 0x7ee;
    uint256 private constant THAW = 7 days;

    /// @dev What the model holds of one channel of a buyer (first index) to a node (second).
    struct Line {
        uint256 collected;
        uint256 reserve;
        uint256 thawing;
        uint256 thawEndsAt;
        uint256 cap;
        uint256 validUntil;
    }

    address private _thief = vm.addr(THIEF_KEY);
    address private _signer = vm.addr(SIGNER_KEY);
    Line[2][2] private _lines;
    uint256[2] private _pools;
    uint256[2] private _wallets;
    uint256[2] private _earned;

    function testFuzz_nobodyMovesAnothersMoney(uint256[60] calldata steps) external {
        for (uint256 i = 0; i < steps.length; ++i) {
            _step(steps[i]);
            _check();
        }
    }

    function _step(uint256 seed) private {
        // Mostly one channel, so that a thaw or an allotment, a wait and what follows it meet on the same one.
        uint256 b = (seed >> 8) % 6 == 0 ? 1 : 0;
        uint256 n = (seed >> 12) % 6 == 0 ? 1 : 0;
        uint256 amount = bound(seed >> 64, 1, 10 ** ((seed >> 16) % 4) + 1);
        uint256 action = seed % 12;
        if (action <= 1) return _deposit(b, amount * 4);
        if (action <= 3) return _reserve(b, n, amount);
        if (action == 4) return _thaw(b, n, amount);
        if (action == 5) return _endThaw(b, n, seed & 1024 == 0);
        if (action == 6) return _withdraw(b, amount);
        if (action == 7) return _allot(b, n, amount, seed >> 32);
        if (action == 8) return _steal(b, n, amount);
        if (action == 9) return jump((seed >> 32) % 8 days);
        _collect(b, n, amount, (seed >> 11) % 3);
    }

    function _deposit(uint256 b, uint256 amount) private {
        token.mint(address(this), amount);
        token.approve(address(escrow), amount);
        escrow.deposit(address(token), buyers[b], amount);
        _pools[b] += amount;
    }

    function _reserve(uint256 b, uint256 n, uint256 amount) private {
        bool fits = amount <= _pools[b];
        _call(buyers[b], abi.encodeCall(escrow.reserve, (0, nodes[n], address(token), 0, 0, amount)), fits);
        if (!fits) return;
        _pools[b] -= amount;
        _lines[b][n].reserve += amount;
    }

    function _thaw(uint256 b, uint256 n, uint256 amount) private {
        Line storage line = _lines[b][n];
        bool fits = amount <= line.reserve;
        _call(buyers[b], abi.encodeCall(escrow.thaw, (0, nodes[n], address(token), 0, 0, amount)), fits);
        if (!fits) return;
        line.reserve -= amount;
        line.thawing += amount;
        line.thawEndsAt = time + THAW;
    }

    function _endThaw(uint256 b, uint256 n, bool cancels) private {
        Line storage line = _lines[b][n];
        bool may = line.thawing != 0 && (cancels || time >= line.thawEndsAt);
        bytes memory data = cancels
            ? abi.encodeCall(escrow.cancelThaw, (0, nodes[n], address(token), 0, 0))
            : abi.encodeCall(escrow.release, (0, nodes[n], address(token), 0, 0));
        _call(buyers[b], data, may);
        if (!may) return;
        if (cancels) line.reserve += line.thawing;
        else _pools[b] += line.thawing;
        line.thawing = 0;
    }

    function _withdraw(uint256 b, uint256 amount) private {
        bool fits = amount <= _pools[b];
        _call(buyers[b], abi.encodeCall(escrow.withdraw, (0, address(token), amount, buyers[b])), fits);
        if (!fits) return;
        _pools[b] -= amount;
        _wallets[b] += amount;
    }

    function _allot(uint256 b, uint256 n, uint256 cap, uint256 seed) private {
        Line storage line = _lines[b][n];
        if (seed % 3 == 0) {
            bool isAllotted = line.validUntil > time;
            _call(buyers[b], abi.encodeCall(escrow.revokeSigner, (nodes[n], address(token), 0, 0, _signer)), isAllotted);
            if (isAllotted) line.validUntil = time;
            return;
        }
        uint256 until = time + 1 + (seed >> 8) % 5 days;
        bool may = cap >= line.cap || time > line.validUntil + THAW;
        IPaymentEscrow.SignerProof memory proof = _possession(b);
        bytes memory data = abi.encodeCall(
            escrow.allotSigner, (nodes[n], address(token), 0, 0, uint128(cap), uint64(until), proof)
        );
        _call(buyers[b], data, may);
        if (!may) return;
        line.cap = cap;
        line.validUntil = until;
    }

    /// @dev All that a thief could try on another's money without a voucher.
    function _steal(uint256 b, uint256 n, uint256 amount) private {
        address t = address(token);
        _call(_thief, abi.encodeCall(escrow.withdraw, (0, t, amount, _thief)), false);
        _call(_thief, abi.encodeCall(escrow.withdraw, (cluster, t, amount, _thief)), false);
        _call(_thief, abi.encodeCall(escrow.reserve, (0, nodes[n], t, 0, 0, amount)), false);
        _call(_thief, abi.encodeCall(escrow.reserve, (cluster, nodes[n], t, 0, 0, amount)), false);
        _call(_thief, abi.encodeCall(escrow.thaw, (0, nodes[n], t, 0, 0, amount)), false);
        _call(_thief, abi.encodeCall(escrow.release, (0, nodes[n], t, 0, 0)), false);
        _call(_thief, abi.encodeCall(escrow.revokeSigner, (nodes[n], t, 0, 0, _signer)), false);
        // The possession that the signer gave to a buyer serves no one else.
        uint64 until = uint64(time + 1);
        _call(_thief, abi.encodeCall(escrow.allotSigner, (nodes[n], t, 0, 0, 1, until, _possession(b))), false);
    }

    /// @dev The thief submits a voucher signed by the buyer (0), the buyer's signer (1) or itself (2).
    function _collect(uint256 b, uint256 n, uint256 cumulative, uint256 by) private {
        IPaymentEscrow.ClaimGroup[] memory groups = new IPaymentEscrow.ClaimGroup[](1);
        groups[0].payee = nodes[n];
        groups[0].token = address(token);
        groups[0].claims = new IPaymentEscrow.Claim[](1);
        uint256 key = by == 0 ? FIRST_BUYER_KEY + b : by == 1 ? SIGNER_KEY : THIEF_KEY;
        groups[0].claims[0] = _claim(b, nodes[n], cumulative, key);
        uint256 wanted = _judge(b, n, cumulative, by);
        vm.prank(_thief);
        assertEq(escrow.collect(groups)[0], wanted);
        _earned[n] += wanted;
    }

    /// @dev What the rules say that the voucher brings, taken from the model: reserve, pool, thawing part.
    function _judge(uint256 b, uint256 n, uint256 cumulative, uint256 by) private returns (uint256 paid) {
        Line storage line = _lines[b][n];
        bool ofSigner = line.validUntil != 0 && time <= line.validUntil + THAW && cumulative <= line.cap;
        if (by == 2 || (by == 1 && !ofSigner) || cumulative <= line.collected) return 0;
        uint256 owed = cumulative - line.collected;
        uint256 part = _least(owed, line.reserve);
        line.reserve -= part;
        paid = part;
        part = _least(owed - paid, _pools[b]);
        _pools[b] -= part;
        paid += part;
        part = _least(owed - paid, line.thawing);
        line.thawing -= part;
        paid += part;
        line.collected += paid;
    }

    function _check() private view {
        uint256 held;
        for (uint256 b = 0; b < 2; ++b) {
            assertEq(escrow.poolOf(buyers[b], address(token)), _pools[b]);
            assertEq(token.balanceOf(buyers[b]), _wallets[b]);
            held += _pools[b];
            for (uint256 n = 0; n < 2; ++n) {
                bytes32 id = escrow.channelIdOf(buyers[b], nodes[n], address(token), 0, 0);
                IPaymentEscrow.ChannelInfo memory found = escrow.channelOf(id);
                Line storage line = _lines[b][n];
                assertEq(found.collected, line.collected);
                assertEq(found.reserve, line.reserve);
                assertEq(found.thawing, line.thawing);
                held += line.reserve + line.thawing;
            }
        }
        // Node 0 is credited, node 1 pushed.
        assertEq(escrow.poolOf(owners[0], address(token)), _earned[0]);
        assertEq(token.balanceOf(owners[1]), _earned[1]);
        assertEq(token.balanceOf(address(escrow)), held + _earned[0]);
        assertEq(token.balanceOf(_thief) + escrow.poolOf(_thief, address(token)), 0);
    }

    function _call(address actor, bytes memory data, bool wanted) private {
        vm.prank(actor);
        (bool success,) = address(escrow).call(data);
        assertTrue(success == wanted);
    }

    function _claim(uint256 b, address payee, uint256 cumulative, uint256 key)
        private
        view
        returns (IPaymentEscrow.Claim memory claim)
    {
        claim.payer = buyers[b];
        claim.total = cumulative << 64;
        uint256[9] memory voucher = Vouchers.open(payee, address(token), 0, 0);
        voucher.fill(claim.payer, claim.total, 0);
        (claim.r, claim.vs) =
            _sign(key, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), voucher.structHash()));
    }

    function _possession(uint256 b) private view returns (IPaymentEscrow.SignerProof memory proof) {
        proof.signer = _signer;
        proof.validUntil = type(uint64).max;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SignerPossession(address payer,address signer,uint64 validUntil)"),
                buyers[b],
                _signer,
                proof.validUntil
            )
        );
        (proof.r, proof.vs) =
            _sign(SIGNER_KEY, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), structHash));
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
