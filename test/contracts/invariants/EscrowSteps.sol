// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IPaymentEscrow} from "../../../contracts/interfaces/IPaymentEscrow.sol";
import {Shares} from "../../../contracts/libraries/Shares.sol";
import {EscrowModel} from "./EscrowModel.sol";

/// @notice What payers, payees and those who submit for them do. Each step says beforehand whether its call goes through.
abstract contract EscrowSteps is EscrowModel {
    /// @dev One claim of a step.
    struct Signed {
        uint256 payer;
        uint256 cumulative;
        uint256 key;
        bool good;
    }

    uint256 private _salt;

    function deposit(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 amount) = (_token(seed), _amount(raw));
        address from = buyers[(seed >> 8) % 2];
        address to = _holder(seed >> 16);
        bool goes = !terms.paused && terms.allowed[t] && _comesIn(t, from, amount);
        _call(from, address(escrow), abi.encodeCall(escrow.deposit, (address(tokens[t]), to, amount)), goes);
        if (goes) _move(t, from, to, amount);
    }

    /// @dev An owner's permit, or one that the thief signed in its place.
    function depositWithPermit(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 amount) = (_token(seed), _amount(raw));
        // Buyer keys are known here; a permit of zero allowance first takes back what they gave.
        uint256 b = (seed >> 8) % 2;
        bool isForged = (seed >> 9) % 4 == 0;
        vm.prank(buyers[b]);
        tokens[t].approve(address(escrow), 0);
        IPaymentEscrow.Permit memory permit = _permit(t, b, amount, isForged);
        bool goes = !isForged && !terms.paused && terms.allowed[t] && _comesIn(t, buyers[b], amount);
        bytes memory data = abi.encodeCall(escrow.depositWithPermit, (address(tokens[t]), buyers[b], amount, permit));
        _call(buyers[b], address(escrow), data, goes);
        if (goes) _move(t, buyers[b], buyers[b], amount);
        vm.prank(buyers[b]);
        tokens[t].approve(address(escrow), type(uint256).max);
    }

    /// @dev The thief submits a buyer's authorisation: as meant, or with its own name as the account.
    function depositWithAuthorization(uint256 seed, uint256 raw) external {
        (uint256 b, uint256 amount) = ((seed >> 8) % 2, _amount(raw));
        address meant = _holder(seed >> 16);
        address given = (seed >> 24) % 4 == 0 ? thief : meant;
        bytes32 salt = bytes32(++_salt);
        bytes32 nonce = keccak256(abi.encode(keccak256("leat.deposit"), meant, salt));
        IPaymentEscrow.Authorization memory authorization = _authorization(b, amount, salt, nonce);
        bool goes = given == meant && !terms.paused && terms.allowed[1] && _comesIn(1, buyers[b], amount);
        bytes memory data = abi.encodeCall(escrow.depositWithAuthorization, (address(usdc), given, authorization));
        _call(thief, address(escrow), data, goes);
        if (!goes) return;
        _move(1, buyers[b], meant, amount);
        _call(thief, address(escrow), data, false);
    }

    function reserveWithAuthorization(uint256 seed, uint256 raw) external {
        (uint256 b, uint256 w, uint256 amount) = ((seed >> 8) % 2, (seed >> 16) % WAYS, _amount(raw));
        bytes32 salt = bytes32(++_salt);
        uint32 ppm = shareOf(w);
        uint256 clusterId = ppm == 0 ? 0 : cluster;
        bytes32 nonce = keccak256(abi.encode(keccak256("leat.reserve"), payeeOf(w), clusterId, ppm, salt));
        address payee = (seed >> 24) % 4 == 0 ? thief : payeeOf(w);
        bool goes = payee != thief && !terms.paused && terms.allowed[1] && _comesIn(1, buyers[b], amount);
        bytes memory data = abi.encodeCall(
            escrow.reserveWithAuthorization,
            (payee, address(usdc), clusterId, ppm, _authorization(b, amount, salt, nonce))
        );
        _call(thief, address(escrow), data, goes);
        if (!goes) return;
        wallets[1][buyers[b]] -= amount;
        lines[1][b][w].reserve += amount;
    }

    function reserve(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        uint256 amount = _amount(raw);
        bool goes = !terms.paused && terms.allowed[t] && amount <= pools[t][payerOf(p)];
        (uint256 asCluster, address actor) = _actor(p, seed);
        uint32 ppm = shareOf(w);
        bytes memory data = abi.encodeCall(
            escrow.reserve, (asCluster, payeeOf(w), address(tokens[t]), ppm == 0 ? 0 : cluster, ppm, amount)
        );
        _call(actor, address(escrow), data, goes);
        if (!goes) return;
        pools[t][payerOf(p)] -= amount;
        lines[t][p][w].reserve += amount;
    }

    function thaw(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        Line storage line = lines[t][p][w];
        uint256 amount = _amount(raw);
        bool goes = amount <= line.reserve;
        (uint256 asCluster, address actor) = _actor(p, seed);
        uint32 ppm = shareOf(w);
        bytes memory data = abi.encodeCall(
            escrow.thaw, (asCluster, payeeOf(w), address(tokens[t]), ppm == 0 ? 0 : cluster, ppm, amount)
        );
        _call(actor, address(escrow), data, goes);
        if (!goes) return;
        line.reserve -= amount;
        line.thawing += amount;
        line.thawEndsAt = time + THAW;
    }

    function endThaw(uint256 seed, bool cancels) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        Line storage line = lines[t][p][w];
        bool goes = line.thawing != 0 && (cancels || time >= line.thawEndsAt);
        (uint256 asCluster, address actor) = _actor(p, seed);
        uint32 ppm = shareOf(w);
        uint256 clusterId = ppm == 0 ? 0 : cluster;
        bytes memory data = cancels
            ? abi.encodeCall(escrow.cancelThaw, (asCluster, payeeOf(w), address(tokens[t]), clusterId, ppm))
            : abi.encodeCall(escrow.release, (asCluster, payeeOf(w), address(tokens[t]), clusterId, ppm));
        _call(actor, address(escrow), data, goes);
        if (!goes) return;
        if (cancels) line.reserve += line.thawing;
        else pools[t][payerOf(p)] += line.thawing;
        line.thawing = 0;
    }

    /// @dev Everybody who can have a pool takes from it; for the cluster its owner does.
    function withdraw(uint256 seed, uint256 raw) external {
        (uint256 t, address from) = (_token(seed), _holder(seed >> 8));
        uint256 amount = _amount(raw);
        address to = from == account ? purse : from;
        bool goes = amount <= pools[t][from] && _goesOut(t, to);
        bytes memory data =
            abi.encodeCall(escrow.withdraw, (from == account ? cluster : 0, address(tokens[t]), amount, to));
        _call(from == account ? clusterOwner : from, address(escrow), data, goes);
        if (!goes) return;
        pools[t][from] -= amount;
        wallets[t][to] += amount;
    }

    function allot(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        if (p == 2) p = 0;
        Line storage line = lines[t][p][w];
        uint32 ppm = shareOf(w);
        uint256 clusterId = ppm == 0 ? 0 : cluster;
        if ((seed >> 40) % 4 == 0) {
            bool isAllotted = line.validUntil > time;
            bytes memory revoke =
                abi.encodeCall(escrow.revokeSigner, (payeeOf(w), address(tokens[t]), clusterId, ppm, signer));
            _call(buyers[p], address(escrow), revoke, isAllotted);
            if (isAllotted) line.validUntil = time;
            return;
        }
        uint256 cap = (seed >> 48) % 4 == 0 ? _amount(raw) : line.collected + _amount(raw);
        uint256 until = time + 1 + (seed >> 56) % 20 days;
        bool goes = !terms.paused && (cap >= line.cap || time > line.validUntil + THAW);
        bytes memory data = abi.encodeCall(
            escrow.allotSigner,
            (payeeOf(w), address(tokens[t]), clusterId, ppm, uint128(cap), uint64(until), _possession(p))
        );
        _call(buyers[p], address(escrow), data, goes);
        if (!goes) return;
        line.cap = cap;
        line.validUntil = until;
    }

    /// @dev One or two claims on one payee, submitted by the thief, each signed by any of the keys.
    function collect(uint256 seed, uint256 raw, uint256 other) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        Signed[] memory claims = new Signed[]((seed >> 40) % 3 == 0 ? 2 : 1);
        bool asCluster = p == 2 || (seed >> 42) % 8 == 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 payer = i == 0 ? p : (seed >> 44) % 3;
            claims[i] = _signed(t, payer, w, i == 0 ? raw : other, asCluster);
        }
        IPaymentEscrow.ClaimGroup[] memory groups = new IPaymentEscrow.ClaimGroup[](1);
        uint32 ppm = shareOf(w);
        groups[0] = IPaymentEscrow.ClaimGroup({
            payee: payeeOf(w),
            payeeCluster: w == 4 ? cluster : 0,
            payerCluster: asCluster ? cluster : 0,
            token: address(tokens[t]),
            cluster: ppm == 0 ? 0 : cluster,
            clusterPpm: ppm,
            claims: _claims(t, w, claims)
        });
        uint256 wanted = _drawAll(t, w, claims);
        vm.prank(thief);
        assertEq(escrow.collect(groups)[0], wanted);
        if (wanted != 0) _payOut(t, w, wanted);
    }

    /// @dev A buyer's voucher to the cluster and the cluster's to two members, in any order and even twice to one.
    function collectFor(uint256 seed, uint256 raw, uint256 first, uint256 second) external {
        uint256 t = _token(seed);
        Signed[] memory fromBuyers = new Signed[](1);
        fromBuyers[0] = _signed(t, (seed >> 8) % 2, 4, raw, false);
        uint256[2] memory who = [(seed >> 16) % 2, (seed >> 17) % 4 == 0 ? (seed >> 19) % 2 : 1 - (seed >> 16) % 2];
        Signed[2] memory toMembers = [_signed(t, 2, who[0], first, true), _signed(t, 2, who[1], second, true)];
        IPaymentEscrow.MemberClaim[] memory members = new IPaymentEscrow.MemberClaim[](2);
        for (uint256 i = 0; i < 2; ++i) {
            uint256 total = toMembers[i].cumulative << 64;
            (bytes32 r, bytes32 vs) = _voucherOf(t, 2, who[i], total, toMembers[i].key);
            members[i] = IPaymentEscrow.MemberClaim(nodes[who[i]], total, 0, r, vs);
        }
        IPaymentEscrow.Claim[] memory claims = _claims(t, 4, fromBuyers);
        uint256 wantedIn = _drawAll(t, 4, fromBuyers);
        if (wantedIn != 0) _payOut(t, 4, wantedIn);
        uint256 wantedOut = _payMembers(t, who, toMembers);
        vm.prank(thief);
        (uint256 came, uint256 went) = escrow.collectFor(cluster, address(tokens[t]), claims, members);
        assertEq(came, wantedIn);
        assertEq(went, wantedOut);
    }

    function _payMembers(uint256 t, uint256[2] memory who, Signed[2] memory claims) private returns (uint256 total) {
        uint256[2] memory owed;
        uint256[2] memory paid;
        uint256 missing;
        for (uint256 i = 0; i < 2; ++i) {
            Line storage line = lines[t][2][who[i]];
            bool inOrder = i == 0 || nodes[who[1]] > nodes[who[0]];
            if (!inOrder || !claims[i].good || claims[i].cumulative <= line.collected) continue;
            if (claims[i].cumulative > line.signed) line.signed = claims[i].cumulative;
            owed[i] = claims[i].cumulative - line.collected;
            paid[i] = _least(owed[i], line.reserve);
            line.reserve -= paid[i];
            missing += owed[i] - paid[i];
        }
        uint256 pool = pools[t][account];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 part = Shares.proRata(owed[i] - paid[i], missing, pool);
            pools[t][account] -= part;
            paid[i] += part;
        }
        for (uint256 i = 0; i < 2; ++i) {
            Line storage line = lines[t][2][who[i]];
            uint256 part = _least(owed[i] - paid[i], line.thawing);
            line.thawing -= part;
            line.collected += paid[i] + part;
            if (paid[i] + part != 0) _payOut(t, who[i], paid[i] + part);
            total += paid[i] + part;
        }
    }

    function _drawAll(uint256 t, uint256 w, Signed[] memory claims) private returns (uint256 total) {
        if (!_isAgreed(w)) return 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            if (claims[i].good) total += _draw(t, claims[i].payer, w, claims[i].cumulative);
        }
    }

    /// @dev A total and a key for it, and whether that key may sign it. Mostly a little more than what was collected.
    function _signed(uint256 t, uint256 payer, uint256 w, uint256 raw, bool asCluster)
        private
        view
        returns (Signed memory made)
    {
        Line storage line = lines[t][payer][w];
        made.payer = payer;
        made.cumulative = (raw >> 200) % 4 == 0 ? _amount(raw) : line.collected + _amount(raw);
        uint256 by = (raw >> 208) % 6;
        if (by == 0) {
            made.key = THIEF_KEY;
        } else if (by == 1) {
            made.key = SIGNER_KEY;
            made.good = !asCluster && payer != 2 && line.validUntil != 0 && time <= line.validUntil + THAW
                && made.cumulative <= line.cap;
        } else if (payer != 2) {
            made.key = FIRST_BUYER_KEY + payer;
            made.good = true;
        } else {
            uint256 k = (raw >> 216) % BALANCERS;
            made.key = BALANCER_KEY + k;
            made.good = asCluster && balancers[k] >= time;
        }
    }

    function _claims(uint256 t, uint256 w, Signed[] memory made)
        private
        view
        returns (IPaymentEscrow.Claim[] memory claims)
    {
        claims = new IPaymentEscrow.Claim[](made.length);
        for (uint256 i = 0; i < made.length; ++i) {
            uint256 total = made[i].cumulative << 64;
            (bytes32 r, bytes32 vs) = _voucherOf(t, made[i].payer, w, total, made[i].key);
            claims[i] = IPaymentEscrow.Claim(payerOf(made[i].payer), total, 0, r, vs);
        }
    }

    function _move(uint256 t, address from, address to, uint256 amount) private {
        wallets[t][from] -= amount;
        pools[t][to] += amount;
    }

    /// @dev In whose name: a buyer for itself; for the cluster its owner or, where one is current, a balancer.
    function _actor(uint256 p, uint256 seed) private view returns (uint256 asCluster, address actor) {
        if (p != 2) return (0, buyers[p]);
        uint256 k = (seed >> 60) % BALANCERS;
        return (cluster, balancers[k] == type(uint256).max ? vm.addr(BALANCER_KEY + k) : clusterOwner);
    }

    /// @dev Anybody who can own a pool and act: the thief is not among them.
    function _holder(uint256 seed) private view returns (address) {
        return people[seed % 9];
    }

    function _token(uint256 seed) internal pure returns (uint256) {
        uint256 t = seed % 6;
        return t < TOKENS ? t : 0;
    }

    /// @dev Half of the time the first channel, so that a thaw or an allotment, a wait and what follows it meet on one.
    function _line(uint256 seed) internal pure returns (uint256 t, uint256 p, uint256 w) {
        t = _token(seed);
        if ((seed >> 8) % 2 == 0) return (t, 0, 0);
        return (t, (seed >> 16) % 3, (seed >> 24) % WAYS);
    }

    function _amount(uint256 raw) internal pure returns (uint256) {
        return 1 + (raw >> 8) % 10 ** (1 + raw % 4);
    }

    function _call(address actor, address target, bytes memory data, bool wanted) internal {
        vm.prank(actor);
        // Bounded: a token that burns all it gets would else burn the whole test's.
        (bool success,) = target.call{gas: 2_000_000}(data);
        assertTrue(success == wanted);
    }

    function _permit(uint256 t, uint256 b, uint256 amount, bool isForged)
        private
        view
        returns (IPaymentEscrow.Permit memory permit)
    {
        permit.deadline = type(uint256).max;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                buyers[b],
                address(escrow),
                amount,
                tokens[t].nonces(buyers[b]),
                permit.deadline
            )
        );
        bytes32 digest = MessageHashUtils.toTypedDataHash(tokens[t].DOMAIN_SEPARATOR(), structHash);
        (permit.v, permit.r, permit.s) = vm.sign(isForged ? THIEF_KEY : FIRST_BUYER_KEY + b, digest);
    }

    function _authorization(uint256 b, uint256 amount, bytes32 salt, bytes32 nonce)
        private
        view
        returns (IPaymentEscrow.Authorization memory authorization)
    {
        authorization.from = buyers[b];
        authorization.amount = amount;
        authorization.validBefore = type(uint256).max;
        authorization.salt = salt;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                buyers[b],
                address(escrow),
                amount,
                0,
                type(uint256).max,
                nonce
            )
        );
        bytes32 digest = MessageHashUtils.toTypedDataHash(usdc.DOMAIN_SEPARATOR(), structHash);
        (authorization.v, authorization.r, authorization.s) = vm.sign(FIRST_BUYER_KEY + b, digest);
    }

    function _possession(uint256 b) internal view returns (IPaymentEscrow.SignerProof memory proof) {
        proof.signer = signer;
        proof.validUntil = type(uint64).max;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SignerPossession(address payer,address signer,uint64 validUntil)"),
                buyers[b],
                signer,
                proof.validUntil
            )
        );
        (proof.r, proof.vs) = _sign(SIGNER_KEY, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), structHash));
    }
}
