// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IPaymentEscrow} from "../../../contracts/interfaces/IPaymentEscrow.sol";
import {Shares} from "../../../contracts/libraries/Shares.sol";
import {Vouchers} from "../../../contracts/libraries/Vouchers.sol";
import {DevelopmentToken} from "../../../contracts/mocks/DevelopmentToken.sol";
import {DevelopmentUsdc} from "../../../contracts/mocks/DevelopmentUsdc.sol";
import {TrickyToken} from "../../../contracts/mocks/TrickyToken.sol";
import {EscrowWorld} from "../support/EscrowWorld.sol";

/// @notice What the rules say that everybody owns: a plain account of pools, wallets and channels beside the contracts.
/// Steps say what a call must do to it; the invariant compares all of it with the chain.
abstract contract EscrowModel is EscrowWorld {
    using Vouchers for uint256[9];

    uint256 internal constant THAW = 7 days;
    uint256 internal constant FEE_NOTICE = 8 days;
    uint256 internal constant SIGNER_KEY = 0x519;
    uint256 internal constant THIEF_KEY = 0x7ee;
    uint256 internal constant RICH = 1e30;
    uint64 internal constant GUARDIAN_ROLE = 1;
    /// @dev Ways to be paid: node 0 or 1 directly, node 0 under the cluster's share, node 1 under twice that share (which
    /// it has yet to accept), the cluster's account.
    uint256 internal constant WAYS = 5;
    uint256 internal constant TOKENS = 3;
    uint256 internal constant BALANCERS = 4;

    struct Line {
        uint256 collected;
        uint256 reserve;
        uint256 thawing;
        uint256 thawEndsAt;
        /// @dev What the signer was allotted on it.
        uint256 cap;
        uint256 validUntil;
        /// @dev The largest total that somebody signed who may.
        uint256 signed;
    }

    struct Terms {
        uint256 feePpm;
        uint256 nextFeePpm;
        uint256 nextFeeAt;
        address treasury;
        bool paused;
        bool[3] allowed;
    }

    struct Payee {
        address beneficiary;
        bool pushes;
        uint256 highestPpm;
    }

    DevelopmentUsdc internal usdc;
    TrickyToken internal tricky;
    DevelopmentToken[3] internal tokens;
    /// @dev Everybody whose money is compared.
    address[] internal people;
    address internal thief = vm.addr(THIEF_KEY);
    address internal signer = vm.addr(SIGNER_KEY);
    address internal spare = address(0xbe);
    address internal purse = address(0xd00d);
    address internal otherTreasury = address(0xfe2);
    address internal guardian = address(0x9a4d);
    address internal heir = address(0xc1e);

    Line[5][3][3] internal lines;
    bytes32[5][3][3] internal ids;
    mapping(uint256 token => mapping(address person => uint256)) internal pools;
    mapping(uint256 token => mapping(address person => uint256)) internal wallets;
    Terms internal terms;
    Payee[2] internal payees;
    /// @dev Until when a balancer key's vouchers count: 0 never added, the largest number while it is current.
    uint256[4] internal balancers;
    address internal clusterOwner;
    address internal pendingOwner;
    uint256 internal transferAt;

    function setUp() public virtual override {
        super.setUp();
        usdc = new DevelopmentUsdc();
        tricky = new TrickyToken();
        tokens = [token, usdc, tricky];
        people = [buyers[0], buyers[1], account, owners[0], owners[1], spare, purse, treasury, otherTreasury, thief];
        people.push(nodes[0]);
        people.push(nodes[1]);
        terms.treasury = treasury;
        clusterOwner = address(this);
        balancers[0] = type(uint256).max;
        for (uint256 n = 0; n < 2; ++n) payees[n] = Payee(owners[n], n == 1, SHARE_PPM);
        _setGuardian();
        for (uint256 t = 0; t < TOKENS; ++t) _setToken(t);
    }

    function _setGuardian() private {
        bytes4[] memory pause = new bytes4[](1);
        pause[0] = escrow.pause.selector;
        manager.setTargetFunctionRole(address(escrow), pause, GUARDIAN_ROLE);
        manager.grantRole(GUARDIAN_ROLE, guardian, 0);
    }

    function _setToken(uint256 t) private {
        escrow.setTokenAllowed(address(tokens[t]), true);
        terms.allowed[t] = true;
        // Buyers have given an allowance; owners give permits.
        address[4] memory rich = [buyers[0], buyers[1], owners[0], owners[1]];
        for (uint256 i = 0; i < 4; ++i) {
            tokens[t].mint(rich[i], RICH);
            wallets[t][rich[i]] = RICH;
            if (i >= 2) continue;
            vm.prank(rich[i]);
            tokens[t].approve(address(escrow), type(uint256).max);
        }
        for (uint256 p = 0; p < 3; ++p) {
            for (uint256 w = 0; w < WAYS; ++w) {
                ids[t][p][w] = escrow.channelIdOf(payerOf(p), payeeOf(w), address(tokens[t]), shareOf(w) == 0 ? 0 : cluster, shareOf(w));
            }
        }
    }

    function payeeOf(uint256 way) internal view returns (address) {
        return way == 4 ? account : nodes[way % 2];
    }

    function shareOf(uint256 way) internal pure returns (uint32) {
        if (way == 2) return SHARE_PPM;
        return way == 3 ? 2 * SHARE_PPM : 0;
    }

    /// @dev Whether the token lets money of `from` into the escrow, all of it.
    function _comesIn(uint256 t, address from, uint256 amount) internal view returns (bool) {
        if (t == 1) return !usdc.paused() && !usdc.blocked(from);
        if (t == 0) return true;
        TrickyToken.Mode mode = tricky.mode();
        if (mode == TrickyToken.Mode.TakesFee) return amount < 100;
        return _isKind(mode);
    }

    /// @dev Whether the token lets money of the escrow out to `to`.
    function _goesOut(uint256 t, address to) internal view returns (bool) {
        if (t == 1) return !usdc.paused() && !usdc.blocked(to);
        return t == 0 || tricky.mode() == TrickyToken.Mode.TakesFee || _isKind(tricky.mode());
    }

    function _isKind(TrickyToken.Mode mode) private pure returns (bool) {
        return mode == TrickyToken.Mode.Honest || mode == TrickyToken.Mode.ReturnsNothing
            || mode == TrickyToken.Mode.Reenters;
    }

    function _feePpm() internal view returns (uint256) {
        return terms.nextFeeAt != 0 && time >= terms.nextFeeAt ? terms.nextFeePpm : terms.feePpm;
    }

    /// @dev Whether the payee of a way agreed to the channel's share.
    function _isAgreed(uint256 way) internal view returns (bool) {
        return way == 4 || shareOf(way) <= payees[way % 2].highestPpm;
    }

    /// @dev What a voucher of a good signer takes from its payer: reserve, pool, thawing part.
    function _draw(uint256 t, uint256 p, uint256 way, uint256 cumulative) internal returns (uint256 paid) {
        Line storage line = lines[t][p][way];
        if (cumulative > line.signed) line.signed = cumulative;
        if (cumulative <= line.collected) return 0;
        uint256 owed = cumulative - line.collected;
        paid = _least(owed, line.reserve);
        line.reserve -= paid;
        uint256 part = _least(owed - paid, pools[t][payerOf(p)]);
        pools[t][payerOf(p)] -= part;
        paid += part;
        part = _least(owed - paid, line.thawing);
        line.thawing -= part;
        paid += part;
        line.collected += paid;
    }

    /// @dev Where what was collected goes.
    function _payOut(uint256 t, uint256 way, uint256 total) internal {
        if (way == 4) {
            pools[t][account] += total;
            return;
        }
        Payee storage to = payees[way % 2];
        // The library has its own tests against exact numbers.
        (uint256 fee, uint256 share, uint256 rest) = Shares.split(total, _feePpm(), shareOf(way));
        pools[t][terms.treasury] += fee;
        pools[t][account] += share;
        if (to.pushes && rest != 0 && _goesOut(t, to.beneficiary)) wallets[t][to.beneficiary] += rest;
        else pools[t][to.beneficiary] += rest;
    }

    function _voucherOf(uint256 t, uint256 p, uint256 way, uint256 total, uint256 key)
        internal
        view
        returns (bytes32 r, bytes32 vs)
    {
        uint32 ppm = shareOf(way);
        uint256[9] memory voucher = Vouchers.open(payeeOf(way), address(tokens[t]), ppm == 0 ? 0 : cluster, ppm);
        voucher.fill(payerOf(p), total, 0);
        return _sign(key, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), voucher.structHash()));
    }

    function _least(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @notice Compares everything that anybody holds with the model, token by token.
    function _compareAll() internal view {
        for (uint256 t = 0; t < TOKENS; ++t) _compare(t);
        assertTrue(!tricky.reentered());
        assertEq(escrow.feePpm(), _feePpm());
        assertTrue(escrow.paused() == terms.paused);
    }

    function _compare(uint256 t) private view {
        address erc20 = address(tokens[t]);
        uint256 held;
        uint256 outside;
        for (uint256 i = 0; i < people.length; ++i) {
            address person = people[i];
            uint256 pool = pools[t][person];
            uint256 wallet = wallets[t][person];
            assertEq(escrow.poolOf(person, erc20), pool);
            assertEq(tokens[t].balanceOf(person), wallet);
            held += pool;
            outside += wallet;
        }
        for (uint256 p = 0; p < 3; ++p) {
            for (uint256 w = 0; w < WAYS; ++w) {
                IPaymentEscrow.ChannelInfo memory found = escrow.channelOf(ids[t][p][w]);
                Line storage line = lines[t][p][w];
                assertEq(found.collected, line.collected);
                assertEq(found.reserve, line.reserve);
                assertEq(found.thawing, line.thawing);
                assertTrue(found.collected <= line.signed);
                held += uint256(found.reserve) + found.thawing;
            }
        }
        // What came in is what went out and what is held.
        assertEq(tokens[t].balanceOf(address(escrow)), held);
        assertEq(held + outside, 4 * RICH);
    }
}
