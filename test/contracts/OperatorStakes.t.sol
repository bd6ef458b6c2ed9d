// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {EscrowWorld} from "./support/EscrowWorld.sol";

/// @notice Random sequences of an operator, its sponsors and the slasher. After every step the registry holds what it owes,
/// nobody's act lowered what another has, and everybody has what is fair to within a base unit a step.
contract OperatorStakesTest is EscrowWorld {
    uint256 private constant HOLDERS = 4;
    /// @dev Fractions of a base unit in the fair amounts.
    uint256 private constant SCALE = 2 ** 64;

    address private _operator;
    address[HOLDERS] private _holders;
    /// @dev What each should have, by arithmetic without shares.
    uint256[HOLDERS] private _fair;

    function setUp() public override {
        super.setUp();
        operators.setSlasher(address(this));
        _operator = owners[0];
        _holders = [_operator, address(0x5001), address(0x5002), address(0x5003)];
    }

    function testFuzz_stakeIsConservedAndFair(uint256[24] calldata steps) external {
        for (uint256 i = 0; i < steps.length; ++i) {
            uint256[HOLDERS] memory before = _worth();
            uint256 who = (steps[i] >> 8) % HOLDERS;
            bool isSlash = steps[i] % 8 == 7;
            if (isSlash) _slash(steps[i] >> 32);
            else _act(who, steps[i] % 8, bound(steps[i] >> 32, 1, 10 ** ((steps[i] >> 16) % 22)));
            _check(before, who, isSlash, i + 1);
        }
        _leave(steps.length);
    }

    function testFuzz_nobodyCanMakeTheNextSponsorLose(uint96 first, uint96 gift, uint96 amount) external {
        first = uint96(bound(first, 1, 2 ** 94));
        amount = uint96(bound(amount, 1, 2 ** 94));
        _put(0, first);
        token.mint(address(operators), gift);
        _put(1, amount);
        assertEq(operators.sponsorshipOf(_operator, _holders[1]).stake, amount);
        assertEq(operators.stakeOf(_operator).stake, first);
    }

    function testFuzz_slashTakesTheSamePartOfAllFour(uint96[4] memory parts, uint96 amount) external {
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) {
            parts[i] = uint96(bound(parts[i], 1, 2 ** 92));
            sum += parts[i];
        }
        _put(0, uint256(parts[0]) + parts[1]);
        _put(1, uint256(parts[2]) + parts[3]);
        vm.prank(_operator);
        operators.thaw(parts[1]);
        vm.prank(_holders[1]);
        operators.thawSponsored(_operator, parts[3]);
        uint256 taken = operators.slash(_operator, bound(amount, 0, sum - 1));
        IOperatorRegistry.StakeInfo memory left = operators.stakeOf(_operator);
        assertEq(left.slashable, sum - taken);
        assertEq(left.stake, parts[0] * (sum - taken) / sum);
        assertEq(left.thawing, parts[1] * (sum - taken) / sum);
        assertEq(left.sponsored, parts[2] * (sum - taken) / sum);
        assertEq(left.sponsoredThawing, parts[3] * (sum - taken) / sum);
        assertEq(token.balanceOf(address(this)), taken);
    }

    function test_noMoreNodeKeysThanTheMost() external {
        uint256 most = operators.MAXIMUM_NODES();
        for (uint256 i = 1; i < most; ++i) _addNode(i, "");
        assertEq(operators.operatorInfoOf(_operator).nodeCount, most);
        _addNode(most, abi.encodeWithSelector(IOperatorRegistry.OperatorRegistryNodesTooMany.selector, most));
        vm.prank(_operator);
        operators.revokeNode(vm.addr(0xc0de + 1));
        _addNode(most, "");
    }

    function _act(uint256 who, uint256 action, uint256 amount) private {
        if (action <= 2) return _put(who, amount);
        if (action == 6) return jump(amount % 8 days);
        bytes memory call = action == 3
            ? who == 0
                ? abi.encodeCall(operators.thaw, (amount))
                : abi.encodeCall(operators.thawSponsored, (_operator, amount))
            : action == 4
                ? who == 0
                    ? abi.encodeCall(operators.cancelThaw, ())
                    : abi.encodeCall(operators.cancelSponsoredThaw, (_operator))
                : who == 0
                    ? abi.encodeCall(operators.withdraw, (_operator))
                    : abi.encodeCall(operators.withdrawSponsored, (_operator, _holders[who]));
        uint256 before = token.balanceOf(_holders[who]);
        vm.prank(_holders[who]);
        (bool success, bytes memory reason) = address(operators).call(call);
        if (!success) _requireCoded(reason);
        _take(who, token.balanceOf(_holders[who]) - before);
    }

    function _put(uint256 who, uint256 amount) private {
        token.mint(_holders[who], amount);
        vm.prank(_holders[who]);
        token.approve(address(operators), amount);
        IOperatorRegistry.Permit memory permit;
        bytes memory call = who == 0
            ? abi.encodeCall(operators.topUp, (amount, permit))
            : abi.encodeCall(operators.stakeFor, (_operator, amount, permit));
        vm.prank(_holders[who]);
        (bool success, bytes memory reason) = address(operators).call(call);
        if (success) _fair[who] += amount * SCALE;
        else _requireCoded(reason);
    }

    function _slash(uint256 seed) private {
        uint256 sum = operators.stakeOf(_operator).slashable;
        uint256 amount = seed % 5 == 0 ? sum : sum * (seed % 1_000) / 1_000;
        uint256 taken = operators.slash(_operator, amount);
        for (uint256 i = 0; i < HOLDERS && sum != 0; ++i) {
            _fair[i] = _fair[i] * (sum - taken) / sum;
        }
    }

    /// @dev The last base unit of a holder that leaves may be what rounding gave it.
    function _take(uint256 who, uint256 amount) private {
        uint256 scaled = amount * SCALE;
        _fair[who] = _fair[who] > scaled ? _fair[who] - scaled : 0;
    }

    function _check(uint256[HOLDERS] memory before, uint256 actor, bool isSlash, uint256 steps) private view {
        IOperatorRegistry.StakeInfo memory info = operators.stakeOf(_operator);
        uint256[HOLDERS] memory worth = _worth();
        uint256 sum;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            sum += worth[i];
            assertTrue(worth[i] <= _fair[i] / SCALE + steps && worth[i] + 2 * steps >= _fair[i] / SCALE);
            if (isSlash) assertTrue(worth[i] <= before[i]);
            else if (i != actor) assertTrue(worth[i] >= before[i]);
        }
        assertTrue(sum <= info.slashable);
        assertTrue(info.stake + info.thawing + info.sponsored + info.sponsoredThawing <= info.slashable);
        assertEq(token.balanceOf(address(operators)), info.slashable);
    }

    /// @dev Everybody takes out all: it is there, and nothing is left.
    function _leave(uint256 steps) private {
        for (uint256 i = 0; i < HOLDERS; ++i) {
            uint256 fair = _fair[i] / SCALE;
            uint256 before = token.balanceOf(_holders[i]);
            IOperatorRegistry.SponsorshipInfo memory held = operators.sponsorshipOf(_operator, _holders[i]);
            uint256 staying = i == 0 ? operators.stakeOf(_operator).stake : held.stake;
            if (staying != 0) _act(i, 3, staying);
            jump(8 days);
            _act(i, 5, 1);
            uint256 got = token.balanceOf(_holders[i]) - before;
            assertTrue(got <= fair + steps + HOLDERS && got + 2 * steps >= fair);
        }
        // What is left is not worth a base unit to anybody who still has shares.
        assertTrue(operators.stakeOf(_operator).slashable <= HOLDERS);
        assertEq(token.balanceOf(address(operators)), operators.stakeOf(_operator).slashable);
    }

    function _worth() private view returns (uint256[HOLDERS] memory worth) {
        IOperatorRegistry.StakeInfo memory own = operators.stakeOf(_operator);
        worth[0] = own.stake + own.thawing;
        for (uint256 i = 1; i < HOLDERS; ++i) {
            IOperatorRegistry.SponsorshipInfo memory held = operators.sponsorshipOf(_operator, _holders[i]);
            worth[i] = held.stake + held.thawing;
        }
    }

    function _addNode(uint256 index, bytes memory refusal) private {
        IOperatorRegistry.NodeProof memory proof;
        proof.node = vm.addr(0xc0de + index);
        proof.validUntil = type(uint64).max;
        bytes32 typeHash = keccak256("NodePossession(address operator,address node,uint64 validUntil)");
        bytes32 structHash = keccak256(abi.encode(typeHash, _operator, proof.node, proof.validUntil));
        (proof.r, proof.vs) =
            _sign(0xc0de + index, MessageHashUtils.toTypedDataHash(operators.domainSeparator(), structHash));
        vm.prank(_operator);
        try operators.addNode(_operator, proof, "") {
            assertEq(refusal.length, 0);
        } catch (bytes memory reason) {
            assertEq(keccak256(reason), keccak256(refusal));
        }
    }

    /// @dev A refusal is one of the registry's own: an overflow would be a fault in the sums.
    function _requireCoded(bytes memory reason) private pure {
        bytes4 selector = bytes4(reason);
        assertTrue(
            selector == IOperatorRegistry.OperatorRegistryStakeShort.selector
                || selector == IOperatorRegistry.OperatorRegistryStakeWorn.selector
                || selector == IOperatorRegistry.OperatorRegistryStakeTooLarge.selector
                || selector == IOperatorRegistry.OperatorRegistryThawNone.selector
                || selector == IOperatorRegistry.OperatorRegistryThawRunning.selector
        );
    }
}
