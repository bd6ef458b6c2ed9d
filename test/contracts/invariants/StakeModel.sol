// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Faults} from "../../../contracts/Faults.sol";
import {IClusterRegistry} from "../../../contracts/interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {EscrowWorld} from "../support/EscrowWorld.sol";

/// @notice What the rules say of stakes, keys, memberships and penalties, beside the contracts. Sums and wallets are exact.
/// A position may differ by the one base unit that a step rounds; it is compared after every step, so nothing adds up
/// unseen, and the sums bound all positions together.
abstract contract StakeModel is EscrowWorld {
    uint256 internal constant THAW = 7 days;
    uint256 internal constant PPM = 1_000_000;
    uint256 internal constant RICH = 1e30;
    /// @dev The third one has yet to join.
    uint256 internal constant OPERATORS = 3;
    /// @dev Of each operator: itself and two sponsors.
    uint256 internal constant HOLDERS = 3;
    uint256 internal constant KEYS = 6;
    uint256 internal constant THIEF_KEY = 0x7ee;
    uint64 internal constant GUARDIAN_ROLE = 1;

    struct Position {
        uint256 stake;
        uint256 thawing;
        uint256 endsAt;
        /// @dev A thaw may run of shares that a slash left worth nothing.
        bool thaws;
    }

    struct Key {
        /// @dev The operator's number and one more; 0 for a key that nobody used.
        uint256 owner;
        uint256 revokedAt;
    }

    struct Penalty {
        uint256 takenAt;
        uint256 taken;
        uint256 stake;
    }

    struct ClusterTerms {
        uint256 sharePpm;
        uint256 nextSharePpm;
        uint256 nextShareAt;
        bool open;
    }

    Faults internal faults;
    address internal thief = vm.addr(THIEF_KEY);
    address internal guardian = address(0x9a4d);
    address internal burned;
    address[2] internal sponsors = [address(0x5001), address(0x5002)];
    address[2] internal reporters = [address(0x4e1), address(0x4e2)];
    address[2] internal managers = [address(0x3a1), address(0x3a2)];
    /// @dev Everybody whose money is compared.
    address[] internal people;

    mapping(address person => uint256) internal wallets;
    uint256[3] internal pools;
    Position[3][3] internal positions;
    Key[6] internal keys;
    address[3] internal managerOf;
    bool[3] internal joined;
    IClusterRegistry.MembershipInfo[3] internal members;
    ClusterTerms internal terms;
    bool internal paused;
    uint256 internal minimumStake;
    uint256 internal equivocationPpm = 50_000;
    uint256 internal rewardPpm = 100_000;
    Penalty[][6] internal penalties;
    mapping(uint256 key => mapping(uint256 job => bool)) internal proven;

    function setUp() public virtual override {
        super.setUp();
        faults = new Faults(address(manager), address(operators), address(escrow), address(0));
        operators.setSlasher(address(faults));
        burned = faults.BURN_ADDRESS();
        bytes4[] memory pause = new bytes4[](1);
        pause[0] = operators.pause.selector;
        manager.setTargetFunctionRole(address(operators), pause, GUARDIAN_ROLE);
        manager.grantRole(GUARDIAN_ROLE, guardian, 0);
        people = [sponsors[0], sponsors[1], reporters[0], reporters[1], burned, thief];
        for (uint256 i = 0; i < 2; ++i) {
            joined[i] = true;
            keys[i].owner = i + 1;
            members[i] = IClusterRegistry.MembershipInfo(true, true, true, false, SHARE_PPM, SHARE_PPM);
            _enrich(sponsors[i]);
        }
        for (uint256 o = 0; o < OPERATORS; ++o) {
            people.push(operatorAt(o));
            _enrich(operatorAt(o));
        }
        terms = ClusterTerms(SHARE_PPM, 0, 0, true);
    }

    function operatorAt(uint256 o) internal view returns (address) {
        return o < 2 ? owners[o] : address(0x0e3);
    }

    function holderAt(uint256 o, uint256 h) internal view returns (address) {
        return h == 0 ? operatorAt(o) : sponsors[h - 1];
    }

    /// @notice Calls, and fails where it goes through though it must not, or the other way round.
    function _call(address actor, address target, bytes memory data, bool wanted) internal {
        vm.prank(actor);
        (bool success,) = target.call(data);
        assertTrue(success == wanted);
    }

    function _enrich(address person) private {
        token.mint(person, RICH);
        wallets[person] = RICH;
        vm.prank(person);
        token.approve(address(operators), type(uint256).max);
    }

    /// @notice After a step of one holder at one operator, or a slash of that operator: takes over what the registry says
    /// where it is what the step should have made of it. Nobody else's falls; at other operators nothing moves at all.
    function _follow(uint256 o, uint256 h, bool isSlash) internal {
        for (uint256 i = 0; i < OPERATORS; ++i) {
            IOperatorRegistry.StakeInfo memory info = operators.stakeOf(operatorAt(i));
            assertEq(info.slashable, pools[i]);
            uint256 sum;
            for (uint256 j = 0; j < HOLDERS; ++j) {
                Position memory found = _positionOf(i, j, info);
                Position storage held = positions[i][j];
                uint256 above = i == o ? 1 : 0;
                uint256 below = i == o && (isSlash || j == h) ? 1 : 0;
                _requireNear(found.stake, held.stake, below, above);
                _requireNear(found.thawing, held.thawing, below, above);
                assertEq(found.endsAt, held.endsAt);
                (held.stake, held.thawing) = (found.stake, found.thawing);
                sum += found.stake + found.thawing;
            }
            // All that all could take is there.
            assertTrue(sum <= info.slashable);
        }
    }

    function _positionOf(uint256 o, uint256 h, IOperatorRegistry.StakeInfo memory info)
        private
        view
        returns (Position memory found)
    {
        if (h == 0) return Position(info.stake, info.thawing, info.thawEndsAt, false);
        IOperatorRegistry.SponsorshipInfo memory held = operators.sponsorshipOf(operatorAt(o), sponsors[h - 1]);
        return Position(held.stake, held.thawing, held.thawEndsAt, false);
    }

    function _requireNear(uint256 found, uint256 wanted, uint256 below, uint256 above) private pure {
        assertTrue(found + below >= wanted && found <= wanted + above);
    }

    /// @dev No day that begins with one of the key's penalties holds more than 5 % of the stake at its beginning.
    function _notePenalty(uint256 k, uint256 stake, uint256 taken) internal {
        penalties[k].push(Penalty(time, taken, stake));
        uint256 sum;
        for (uint256 i = penalties[k].length; i > 0 && penalties[k][i - 1].takenAt + 1 days > time; --i) {
            sum += penalties[k][i - 1].taken;
            assertTrue(sum * 20 <= penalties[k][i - 1].stake);
        }
    }

    function _sharePpm() internal view returns (uint256) {
        return terms.nextShareAt != 0 && time >= terms.nextShareAt ? terms.nextSharePpm : terms.sharePpm;
    }

    /// @notice Compares money, keys, memberships and settings with the model.
    function _compareAll() internal view {
        uint256 outside;
        for (uint256 i = 0; i < people.length; ++i) {
            assertEq(token.balanceOf(people[i]), wallets[people[i]]);
            outside += wallets[people[i]];
        }
        uint256 held = pools[0] + pools[1] + pools[2];
        assertEq(token.balanceOf(address(operators)), held);
        assertEq(token.balanceOf(address(faults)), 0);
        // What came in is what went out, was burned or rewarded, and is held.
        assertEq(held + outside, 5 * RICH);
        for (uint256 k = 0; k < KEYS; ++k) _compareKey(k);
        for (uint256 o = 0; o < OPERATORS; ++o) _compareOperator(o);
        assertEq(clusters.clusterOf(cluster).sharePpm, _sharePpm());
        assertEq(clusters.ownerOf(cluster), address(this));
        assertEq(operators.slasher(), address(faults));
        assertEq(operators.minimumStake(), minimumStake);
        assertTrue(operators.paused() == paused);
        assertEq(faults.equivocationPpm(), equivocationPpm);
        assertEq(faults.rewardPpm(), rewardPpm);
    }

    function _compareKey(uint256 k) private view {
        address node = vm.addr(FIRST_NODE_KEY + k);
        Key storage key = keys[k];
        assertEq(operators.operatorOf(node), key.owner == 0 ? address(0) : operatorAt(key.owner - 1));
        assertEq(operators.revokedAt(node), key.revokedAt);
    }

    function _compareOperator(uint256 o) private view {
        IOperatorRegistry.OperatorInfo memory info = operators.operatorInfoOf(operatorAt(o));
        uint256 count;
        for (uint256 k = 0; k < KEYS; ++k) {
            if (keys[k].owner == o + 1 && keys[k].revokedAt == 0) ++count;
        }
        assertTrue(info.joined == joined[o]);
        assertEq(info.manager, managerOf[o]);
        assertEq(info.nodeCount, count);
        assertEq(info.beneficiary, joined[o] ? operatorAt(o) : address(0));
        IClusterRegistry.MembershipInfo memory found = clusters.membershipOf(cluster, operatorAt(o));
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(members[o])));
    }
}
