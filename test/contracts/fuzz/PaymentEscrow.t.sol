// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IPaymentEscrow} from "../../../contracts/interfaces/IPaymentEscrow.sol";
import {DevelopmentUsdc} from "../../../contracts/mocks/DevelopmentUsdc.sol";
import {FuzzWorld} from "../support/FuzzWorld.sol";

/// @notice Each function that changes something, with any input.
contract PaymentEscrowFuzzTest is FuzzWorld {
    uint256 private constant SIGNER_KEY = 0x519;
    uint256 private constant MOST = type(uint128).max;

    DevelopmentUsdc private usdc;
    address private buyer;
    bytes32 private channel;

    function setUp() public override {
        super.setUp();
        buyer = buyers[0];
        usdc = new DevelopmentUsdc();
        escrow.setTokenAllowed(address(usdc), true);
        channel = escrow.channelIdOf(buyer, nodes[0], address(token), 0, 0);
    }

    function testFuzz_deposit(address to, uint128 amount, bool allowed, bool isPaused) external {
        (to, amount) = (_orZero(to), _orNone(amount));
        _mint(buyer, address(escrow), amount);
        bytes memory reason = _unlessPaidIn(to, amount, allowed, isPaused);
        bytes memory data = abi.encodeCall(escrow.deposit, (address(token), to, amount));
        _checkPaidIn(to, amount, _goes(buyer, address(escrow), data, reason));
    }

    /// @dev A permit of another key is worth nothing; then only an allowance would serve.
    function testFuzz_depositWithPermit(address to, uint128 amount, bool isForged) external {
        (to, amount) = (_orZero(to), uint128(bound(amount, 1, MOST)));
        token.mint(buyer, amount);
        IPaymentEscrow.Permit memory permit;
        permit.deadline = type(uint256).max;
        uint256 key = isForged ? SIGNER_KEY : FIRST_BUYER_KEY;
        (permit.v, permit.r, permit.s) = signPermit(token, key, buyer, address(escrow), amount);
        bytes memory data = abi.encodeCall(escrow.depositWithPermit, (address(token), to, amount, permit));
        vm.prank(buyer);
        (bool goes,) = address(escrow).call(data);
        assertTrue(goes == (!isForged && to != address(0)));
        _checkPaidIn(to, amount, goes);
    }

    /// @dev Anybody may submit it, for the account that was meant and once.
    function testFuzz_depositWithAuthorization(address caller, address to, address other, uint128 amount) external {
        amount = uint128(bound(amount, 1, MOST));
        if (to == address(0)) to = owners[0];
        usdc.mint(buyer, amount);
        bytes32 nonce = keccak256(abi.encode(keccak256("leat.deposit"), to, bytes32(uint256(7))));
        IPaymentEscrow.Authorization memory meant =
            authorizationOf(usdc, FIRST_BUYER_KEY, amount, bytes32(uint256(7)), nonce);
        if (other != to) _fails(caller, abi.encodeCall(escrow.depositWithAuthorization, (address(usdc), other, meant)));
        bytes memory data = abi.encodeCall(escrow.depositWithAuthorization, (address(usdc), to, meant));
        _goes(caller, address(escrow), data, "");
        assertEq(escrow.poolOf(to, address(usdc)), amount);
        assertEq(usdc.balanceOf(address(escrow)), amount);
        usdc.mint(buyer, amount);
        _fails(caller, data);
        assertEq(usdc.balanceOf(address(escrow)), amount);
    }

    function testFuzz_reserveWithAuthorization(address caller, address payee, address other, uint32 ppm, uint128 amount)
        external
    {
        (amount, ppm) = (uint128(bound(amount, 1, MOST)), uint32(bound(ppm, 0, 1_100_000)));
        if (payee == address(0)) payee = nodes[0];
        usdc.mint(buyer, amount);
        bytes32 nonce = keccak256(abi.encode(keccak256("leat.reserve"), payee, cluster, ppm, bytes32(0)));
        IPaymentEscrow.Authorization memory meant = authorizationOf(usdc, FIRST_BUYER_KEY, amount, 0, nonce);
        bytes memory data =
            abi.encodeCall(escrow.reserveWithAuthorization, (other, address(usdc), cluster, ppm, meant));
        if (other != payee) _fails(caller, data);
        data = abi.encodeCall(escrow.reserveWithAuthorization, (payee, address(usdc), cluster, ppm, meant));
        bytes memory reason = ppm > 1_000_000 ? _shareInvalid(cluster, ppm) : bytes("");
        bool goes = _goes(caller, address(escrow), data, reason);
        bytes32 id = escrow.channelIdOf(buyer, payee, address(usdc), cluster, ppm);
        assertEq(escrow.channelOf(id).reserve, goes ? amount : 0);
        assertEq(escrow.poolOf(buyer, address(usdc)), 0);
        assertEq(usdc.balanceOf(address(escrow)), goes ? amount : 0);
    }

    function testFuzz_reserve(uint128 pool, uint256 amount, address payee, uint32 ppm, uint256 how) external {
        (pool, ppm, payee) = (uint128(bound(pool, 1, MOST)), uint32(bound(ppm, 0, 1_100_000)), _orZero(payee));
        amount = how % 4 == 0 ? uint256(pool) + 1 : how % 4 == 1 ? 0 : bound(amount, 1, pool);
        uint256 id = (how >> 8) % 2 == 0 ? cluster : 0;
        if ((how >> 9) % 2 == 0) ppm = 0;
        _fill(pool);
        if ((how >> 10) % 4 == 0) escrow.pause();
        bytes memory reason;
        if (escrow.paused()) reason = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        else if (amount == 0) reason = _amountZero();
        else if (payee == address(0)) reason = _addressZero();
        else if (id == 0 ? ppm != 0 : ppm > 1_000_000) reason = _shareInvalid(id, ppm);
        else if (amount > pool) reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowPoolShort.selector, amount, pool);
        bytes memory data = abi.encodeCall(escrow.reserve, (0, payee, address(token), id, ppm, amount));
        bool goes = _goes(buyer, address(escrow), data, reason);
        IPaymentEscrow.ChannelInfo memory found =
            escrow.channelOf(escrow.channelIdOf(buyer, payee, address(token), id, ppm));
        assertEq(found.reserve, goes ? amount : 0);
        assertEq(escrow.poolOf(buyer, address(token)), goes ? pool - amount : pool);
        assertEq(token.balanceOf(address(escrow)), pool);
    }

    function testFuzz_thaw(uint128 reserved, uint256 amount, uint256 how, bool isOther) external {
        reserved = uint128(bound(reserved, 1, MOST));
        amount = how % 4 == 0 ? uint256(reserved) + 1 : how % 4 == 1 ? 0 : bound(amount, 1, reserved);
        _reserve(reserved);
        uint256 held = isOther ? 0 : reserved;
        bytes memory reason;
        if (amount == 0) reason = _amountZero();
        else if (amount > held) reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowReserveShort.selector, amount, held);
        bytes memory data = abi.encodeCall(escrow.thaw, (0, nodes[0], address(token), 0, 0, amount));
        bool goes = _goes(isOther ? buyers[1] : buyer, address(escrow), data, reason);
        _requireChannel(goes ? reserved - amount : reserved, goes ? amount : 0, 0);
        assertEq(escrow.channelOf(channel).thawEndsAt, goes ? time + 7 days : 0);
    }

    function testFuzz_cancelThaw(uint128 reserved, uint128 amount, bool isOther) external {
        (reserved, amount) = _thaw(reserved, amount);
        bytes memory data = abi.encodeCall(escrow.cancelThaw, (0, nodes[0], address(token), 0, 0));
        bytes memory reason = amount == 0 || isOther ? _thawNone() : bytes("");
        bool goes = _goes(isOther ? buyers[1] : buyer, address(escrow), data, reason);
        _requireChannel(goes ? reserved : reserved - amount, goes ? 0 : amount, 0);
    }

    function testFuzz_release(uint128 reserved, uint128 amount, uint256 wait) external {
        (reserved, amount) = _thaw(reserved, amount);
        wait = wait % 4 == 0 ? 7 days - 1 : wait % 4 == 1 ? 7 days : bound(wait, 0, 9 days);
        uint256 endsAt = time + 7 days;
        jump(wait);
        bytes memory reason;
        if (amount == 0) reason = _thawNone();
        else if (time < endsAt) reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowThawRunning.selector, endsAt, time);
        bytes memory data = abi.encodeCall(escrow.release, (0, nodes[0], address(token), 0, 0));
        bool goes = _goes(buyer, address(escrow), data, reason);
        _requireChannel(reserved - amount, goes ? 0 : amount, goes ? amount : 0);
    }

    function testFuzz_withdraw(address caller, uint128 pool, uint256 amount, address to, uint256 how) external {
        (pool, to) = (uint128(bound(pool, 1, MOST)), to == address(escrow) ? owners[0] : _orZero(to));
        amount = how % 4 == 0 ? uint256(pool) + 1 : how % 4 == 1 ? 0 : bound(amount, 1, pool);
        // The cluster's account, of which the owner alone takes, or the buyer's own.
        bool asCluster = (how >> 8) % 2 == 0;
        caller = asCluster ? _caller(caller) : buyer;
        _mint(governor, address(escrow), pool);
        escrow.deposit(address(token), asCluster ? account : buyer, pool);
        bytes memory reason;
        if (asCluster && caller != governor) {
            reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowNotOwner.selector, governor, caller);
        } else if (to == address(0)) {
            reason = _addressZero();
        } else if (amount == 0) {
            reason = _amountZero();
        } else if (amount > pool) {
            reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowPoolShort.selector, amount, pool);
        }
        bytes memory data = abi.encodeCall(escrow.withdraw, (asCluster ? cluster : 0, address(token), amount, to));
        bool goes = _goes(caller, address(escrow), data, reason);
        assertEq(escrow.poolOf(asCluster ? account : buyer, address(token)), goes ? pool - amount : pool);
        assertEq(token.balanceOf(address(escrow)), goes ? pool - amount : pool);
        if (goes) assertEq(token.balanceOf(to), amount);
    }

    function testFuzz_allotSigner(uint128 cap, uint64 span, bool isForged, uint256 how) external {
        (cap, span) = (_orNone(cap), uint64(bound(span, 0, 500 days)));
        IPaymentEscrow.SignerProof memory proof = signerProofOf(isForged ? buyers[1] : buyer, SIGNER_KEY);
        if (how % 4 == 0) proof.validUntil = uint64(bound(how >> 8, 0, time - 1));
        bytes memory data =
            abi.encodeCall(escrow.allotSigner, (nodes[0], address(token), 0, 0, cap, uint64(time + span), proof));
        bytes4 reason;
        if (cap == 0) reason = IPaymentEscrow.PaymentEscrowAmountZero.selector;
        else if (span == 0 || span > 400 days) reason = IPaymentEscrow.PaymentEscrowValidityOutOfBounds.selector;
        else if (how % 4 == 0) reason = IPaymentEscrow.PaymentEscrowProofExpired.selector;
        else if (isForged) reason = IPaymentEscrow.PaymentEscrowProofWrong.selector;
        vm.prank(buyer);
        (bool goes, bytes memory found) = address(escrow).call(data);
        assertTrue(goes == (reason == 0));
        if (!goes) assertEq(bytes32(bytes4(found)), bytes32(reason));
        _requireAllotted(goes ? cap : 0, goes ? time + span : 0);
        // What a payee was told does not shrink while it counts.
        if (!goes || cap == 1) return;
        reason = IPaymentEscrow.PaymentEscrowCapFell.selector;
        data = abi.encodeCall(escrow.allotSigner, (nodes[0], address(token), 0, 0, cap - 1, uint64(time + span), proof));
        _goes(buyer, address(escrow), data, abi.encodeWithSelector(reason, cap, cap - 1));
    }

    function testFuzz_revokeSigner(uint64 span, uint64 wait, bool isOther) external {
        (span, wait) = (uint64(bound(span, 1, 400 days)), uint64(bound(wait, 0, 500 days)));
        _allot(7, time + span);
        uint256 validUntil = time + span;
        jump(wait);
        bool isOver = validUntil <= time;
        address caller = isOther ? buyers[1] : buyer;
        bytes memory reason;
        if (isOver || isOther) {
            bytes32 id = escrow.channelIdOf(caller, nodes[0], address(token), 0, 0);
            address signer = vm.addr(SIGNER_KEY);
            reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowSignerNotAllotted.selector, id, signer);
        }
        bytes memory data = abi.encodeCall(escrow.revokeSigner, (nodes[0], address(token), 0, 0, vm.addr(SIGNER_KEY)));
        bool goes = _goes(caller, address(escrow), data, reason);
        _requireAllotted(7, goes ? time : validUntil);
    }

    /// @dev The reserve, then the pool, and never more than what is there; a forged voucher takes nothing.
    function testFuzz_collect(uint128 pool, uint128 reserved, uint128 signed, bool isForged) external {
        pool = uint128(bound(pool, 1, MOST / 2));
        _reserve(uint128(bound(reserved, 1, MOST / 2)));
        _fill(pool);
        uint256 held = bound(reserved, 1, MOST / 2);
        IPaymentEscrow.ClaimGroup[] memory groups = new IPaymentEscrow.ClaimGroup[](1);
        (groups[0].payee, groups[0].token) = (nodes[0], address(token));
        groups[0].claims = new IPaymentEscrow.Claim[](1);
        groups[0].claims[0] = claimOf(isForged ? 1 : 0, nodes[0], 0, 0, signed);
        groups[0].claims[0].payer = buyer;
        uint256 wanted = isForged ? 0 : signed;
        uint256 paid = wanted < held + pool ? wanted : held + pool;
        assertEq(escrow.collect(groups)[0], paid);
        assertEq(escrow.channelOf(channel).collected, paid);
        assertEq(escrow.channelOf(channel).reserve, paid < held ? held - paid : 0);
        assertEq(escrow.poolOf(buyer, address(token)), paid < held ? pool : held + pool - paid);
        assertEq(escrow.poolOf(owners[0], address(token)), paid);
        assertEq(token.balanceOf(address(escrow)), held + pool);
        assertEq(escrow.collect(groups)[0], 0);
    }

    /// @dev What buyers bring goes to members in proportion; nobody but those two moves.
    function testFuzz_collectFor(uint128 pool, uint128 bought, uint128 first, uint128 second) external {
        (pool, bought) = (uint128(bound(pool, 1, MOST / 2)), uint128(bound(bought, 0, MOST)));
        _fill(pool);
        IPaymentEscrow.Claim[] memory claims = new IPaymentEscrow.Claim[](1);
        claims[0] = claimOf(0, account, 0, 0, bought);
        IPaymentEscrow.MemberClaim[] memory members = new IPaymentEscrow.MemberClaim[](2);
        uint128[2] memory owed = [first, second];
        uint256 low = nodes[0] < nodes[1] ? 0 : 1;
        for (uint256 i = 0; i < 2; ++i) {
            uint256 n = i == 0 ? low : 1 - low;
            IPaymentEscrow.Claim memory claim = claimOf(2, nodes[n], 0, 0, owed[n]);
            members[i] = IPaymentEscrow.MemberClaim(nodes[n], claim.total, 0, claim.r, claim.vs);
        }
        (uint256 came, uint256 went) = escrow.collectFor(cluster, address(token), claims, members);
        assertEq(came, bought < pool ? bought : pool);
        uint256 toFirst = escrow.poolOf(owners[0], address(token));
        uint256 toSecond = token.balanceOf(owners[1]);
        assertEq(toFirst + toSecond, went);
        assertTrue(toFirst <= first && toSecond <= second && went <= came);
        uint256 sum = uint256(first) + second;
        // All where it is enough, else all but what rounding leaves.
        assertTrue(came >= sum ? went == sum : went + 2 > came);
        assertEq(escrow.poolOf(account, address(token)), came - went);
        assertEq(escrow.poolOf(buyer, address(token)), pool - came);
        assertEq(token.balanceOf(address(escrow)), pool - toSecond);
    }

    function testFuzz_setTokenAllowed(address caller, address erc20, bool allowed) external {
        (caller, erc20) = (_caller(caller), _orZero(erc20));
        bool before = escrow.isTokenAllowed(erc20);
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && erc20 == address(0)) reason = _addressZero();
        bytes memory data = abi.encodeCall(escrow.setTokenAllowed, (erc20, allowed));
        bool goes = _goes(caller, address(escrow), data, reason);
        assertTrue(escrow.isTokenAllowed(erc20) == (goes ? allowed : before));
    }

    /// @dev Down at once, up a day after whoever does not want it got out.
    function testFuzz_setFee(address caller, uint16 first, uint16 feePpm, uint256 wait) external {
        (caller, first) = (_caller(caller), uint16(bound(first, 0, 10_000)));
        feePpm = uint16(bound(feePpm, 0, 12_000));
        wait = wait % 4 == 0 ? 8 days - 1 : wait % 4 == 1 ? 8 days : bound(wait, 0, 10 days);
        escrow.setFee(first);
        jump(8 days);
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && feePpm > 10_000) {
            reason = abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowFeeTooLarge.selector, 10_000, feePpm);
        }
        bool goes = _goes(caller, address(escrow), abi.encodeCall(escrow.setFee, (feePpm)), reason);
        jump(wait);
        assertEq(escrow.feePpm(), goes && (feePpm <= first || wait >= 8 days) ? feePpm : first);
    }

    function testFuzz_setTreasury(address caller, address chosen) external {
        (caller, chosen) = (_caller(caller), _orZero(chosen));
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && chosen == address(0)) reason = _addressZero();
        bool goes = _goes(caller, address(escrow), abi.encodeCall(escrow.setTreasury, (chosen)), reason);
        assertEq(escrow.treasury(), goes ? chosen : treasury);
    }

    function testFuzz_pause(address caller, bool isPaused) external {
        _checkPause(address(escrow), caller, isPaused);
    }

    function testFuzz_unpause(address caller, bool isPaused) external {
        _checkUnpause(address(escrow), caller, isPaused);
    }

    function testFuzz_setAuthority(address caller, address next) external {
        _checkSetAuthority(address(escrow), caller, next);
    }

    function _fails(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool goes,) = address(escrow).call(data);
        assertTrue(!goes);
    }

    function _fill(uint256 amount) private {
        _mint(governor, address(escrow), amount);
        escrow.deposit(address(token), buyer, amount);
    }

    function _reserve(uint128 amount) private {
        _fill(amount);
        bytes memory data = abi.encodeCall(escrow.reserve, (0, nodes[0], address(token), 0, 0, amount));
        _goes(buyer, address(escrow), data, "");
    }

    function _thaw(uint128 reserved, uint128 amount) private returns (uint128, uint128) {
        reserved = uint128(bound(reserved, 1, MOST));
        amount = amount % 8 == 0 ? 0 : uint128(bound(amount, 1, reserved));
        _reserve(reserved);
        bytes memory data = abi.encodeCall(escrow.thaw, (0, nodes[0], address(token), 0, 0, amount));
        if (amount != 0) _goes(buyer, address(escrow), data, "");
        return (reserved, amount);
    }

    function _allot(uint128 cap, uint256 validUntil) private {
        IPaymentEscrow.SignerProof memory proof = signerProofOf(buyer, SIGNER_KEY);
        bytes memory data =
            abi.encodeCall(escrow.allotSigner, (nodes[0], address(token), 0, 0, cap, uint64(validUntil), proof));
        _goes(buyer, address(escrow), data, "");
    }

    function _unlessPaidIn(address to, uint256 amount, bool allowed, bool isPaused) private returns (bytes memory) {
        escrow.setTokenAllowed(address(token), allowed);
        if (isPaused) escrow.pause();
        if (isPaused) return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        if (!allowed) {
            return abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowTokenNotAllowed.selector, address(token));
        }
        if (to == address(0)) return _addressZero();
        return amount == 0 ? _amountZero() : bytes("");
    }

    function _checkPaidIn(address to, uint256 amount, bool goes) private view {
        assertEq(escrow.poolOf(to, address(token)), goes ? amount : 0);
        assertEq(token.balanceOf(address(escrow)), goes ? amount : 0);
        assertEq(token.balanceOf(buyer), goes ? 0 : amount);
    }

    function _requireChannel(uint256 reserved, uint256 thawing, uint256 pool) private view {
        assertEq(escrow.channelOf(channel).reserve, reserved);
        assertEq(escrow.channelOf(channel).thawing, thawing);
        assertEq(escrow.poolOf(buyer, address(token)), pool);
        assertEq(token.balanceOf(address(escrow)), reserved + thawing + pool);
    }

    function _requireAllotted(uint256 cap, uint256 validUntil) private view {
        (uint128 found, uint64 until) = escrow.allotmentOf(channel, vm.addr(SIGNER_KEY));
        assertEq(found, cap);
        assertEq(until, validUntil);
    }

    function _orZero(address random) private pure returns (address) {
        return uint160(random) % 8 == 0 ? address(0) : random;
    }

    function _orNone(uint128 random) private pure returns (uint128) {
        return random % 8 == 0 ? 0 : random;
    }

    function _amountZero() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowAmountZero.selector);
    }

    function _addressZero() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowAddressZero.selector);
    }

    function _thawNone() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowThawNone.selector);
    }

    function _shareInvalid(uint256 id, uint256 ppm) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentEscrow.PaymentEscrowShareInvalid.selector, id, ppm);
    }
}
