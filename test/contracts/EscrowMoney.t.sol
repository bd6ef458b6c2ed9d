// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IPaymentEscrow} from "../../contracts/interfaces/IPaymentEscrow.sol";
import {EscrowWorld} from "./support/EscrowWorld.sol";

/// @notice Random sequences of everything that moves money. After every step what came in is what went out and what is
/// held, and no channel paid more than was signed.
contract EscrowMoneyTest is EscrowWorld {
    /// @dev A channel of the test: one of three payers to a node directly, to a node under the cluster's share, or to the
    /// cluster's account.
    struct Line {
        uint256 payer;
        address payee;
        uint256 clusterId;
        uint32 ppm;
    }

    uint256 private _in;
    mapping(bytes32 channel => uint256) private _signed;

    function testFuzz_moneyIsConserved(uint256[20] calldata steps, uint16 feePpm) external {
        escrow.setFee(uint16(bound(feePpm, 0, 10_000)));
        jump(9 days);
        _in = 0;
        for (uint256 i = 0; i < steps.length; ++i) {
            _step(steps[i]);
            _check();
        }
    }

    function testFuzz_collectPaysWhatIsOwedOrWhatIsThere(uint128 deposited, uint128 reserved, uint128 signed) external {
        deposited = uint128(bound(deposited, 1, type(uint120).max));
        reserved = uint128(bound(reserved, 0, deposited));
        _deposit(buyers[0], deposited);
        if (reserved != 0) {
            vm.prank(buyers[0]);
            escrow.reserve(0, nodes[0], address(token), 0, 0, reserved);
        }
        uint256 paid = _collect(Line(0, nodes[0], 0, 0), signed);
        assertEq(paid, signed < deposited ? signed : deposited);
        assertEq(escrow.poolOf(owners[0], address(token)), paid);
        assertEq(_collect(Line(0, nodes[0], 0, 0), signed), 0);
    }

    function _step(uint256 seed) private {
        uint256 action = seed % 10;
        uint256 amount = bound(seed >> 64, 1, 10 ** ((seed >> 8) % 4) + 1);
        Line memory line = _line(seed >> 16);
        address payer = payerOf(line.payer);
        if (action == 0) return _deposit(payer, amount);
        if (action <= 4) {
            _collect(line, uint128(amount));
            return;
        }
        if (action == 5) return _collectFor(amount, seed >> 32);
        if (action == 9) return jump((seed >> 32) % 8 days);
        uint256 asCluster = line.payer == 2 ? cluster : 0;
        address actor = line.payer == 2 ? address(this) : payer;
        bytes memory call = action == 6
            ? abi.encodeCall(escrow.reserve, (asCluster, line.payee, address(token), line.clusterId, line.ppm, amount))
            : action == 7
                ? abi.encodeCall(escrow.thaw, (asCluster, line.payee, address(token), line.clusterId, line.ppm, amount))
                : seed & 1024 == 0
                    ? abi.encodeCall(escrow.release, (asCluster, line.payee, address(token), line.clusterId, line.ppm))
                    : abi.encodeCall(escrow.withdraw, (asCluster, address(token), amount, address(0xd00d)));
        vm.prank(actor);
        // Most amounts do not fit what is there: a refusal must change nothing, which the check finds.
        (bool success,) = address(escrow).call(call);
        success;
    }

    function _deposit(address to, uint256 amount) private {
        token.mint(address(this), amount);
        token.approve(address(escrow), amount);
        escrow.deposit(address(token), to, amount);
        _in += amount;
    }

    function _collect(Line memory line, uint128 cumulative) private returns (uint256) {
        IPaymentEscrow.ClaimGroup[] memory groups = new IPaymentEscrow.ClaimGroup[](1);
        groups[0].payee = line.payee;
        groups[0].payeeCluster = line.payee == account ? cluster : 0;
        groups[0].payerCluster = line.payer == 2 ? cluster : 0;
        groups[0].token = address(token);
        groups[0].cluster = line.clusterId;
        groups[0].clusterPpm = line.ppm;
        groups[0].claims = new IPaymentEscrow.Claim[](1);
        groups[0].claims[0] = claimOf(line.payer, line.payee, line.clusterId, line.ppm, cumulative);
        _noteSigned(line, cumulative);
        return escrow.collect(groups)[0];
    }

    function _collectFor(uint256 amount, uint256 seed) private {
        IPaymentEscrow.Claim[] memory fromBuyers = new IPaymentEscrow.Claim[](1);
        fromBuyers[0] = claimOf(seed % 2, account, 0, 0, uint128(amount));
        _noteSigned(Line(seed % 2, account, 0, 0), amount);
        IPaymentEscrow.MemberClaim[] memory members = new IPaymentEscrow.MemberClaim[](2);
        for (uint256 i = 0; i < 2; ++i) {
            address payee = nodes[(nodes[0] < nodes[1]) == (i == 0) ? 0 : 1];
            uint128 cumulative = uint128(bound(seed >> (i * 64), 1, 2 * amount));
            IPaymentEscrow.Claim memory claim = claimOf(2, payee, 0, 0, cumulative);
            members[i] = IPaymentEscrow.MemberClaim(payee, uint256(cumulative) << 64, 0, claim.r, claim.vs);
            _noteSigned(Line(2, payee, 0, 0), cumulative);
        }
        escrow.collectFor(cluster, address(token), fromBuyers, members);
    }

    function _check() private view {
        uint256 held = escrow.poolOf(account, address(token)) + escrow.poolOf(treasury, address(token));
        for (uint256 i = 0; i < 2; ++i) {
            held += escrow.poolOf(buyers[i], address(token)) + escrow.poolOf(owners[i], address(token));
        }
        for (uint256 i = 0; i < 15; ++i) {
            bytes32 id = _idOf(_line(i));
            IPaymentEscrow.ChannelInfo memory channel = escrow.channelOf(id);
            held += uint256(channel.reserve) + channel.thawing;
            assertTrue(channel.collected <= _signed[id]);
        }
        assertEq(token.balanceOf(address(escrow)), held);
        assertEq(held + token.balanceOf(owners[1]) + token.balanceOf(address(0xd00d)), _in);
    }

    function _noteSigned(Line memory line, uint256 cumulative) private {
        bytes32 id = _idOf(line);
        if (cumulative > _signed[id]) _signed[id] = cumulative;
    }

    function _idOf(Line memory line) private view returns (bytes32) {
        return escrow.channelIdOf(payerOf(line.payer), line.payee, address(token), line.clusterId, line.ppm);
    }

    /// @dev 15 lines: three payers times (two nodes, two nodes under the cluster, the cluster's account).
    function _line(uint256 seed) private view returns (Line memory) {
        uint256 way = seed / 3 % 5;
        if (way == 4) return Line(seed % 3, account, 0, 0);
        bool shared = way >= 2;
        return Line(seed % 3, nodes[way % 2], shared ? cluster : 0, shared ? SHARE_PPM : 0);
    }
}
