// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Faults} from "../../../contracts/Faults.sol";
import {IFaults} from "../../../contracts/interfaces/IFaults.sol";
import {FuzzWorld} from "../support/FuzzWorld.sol";

/// @notice Each function that changes something, with any input.
contract FaultsFuzzTest is FuzzWorld {
    uint256 private constant STAKE = 1_000 ether;

    Faults private faults;
    address private operator;
    address private buyer;
    /// @dev Whether this account takes ether.
    bool private refuses;

    function setUp() public override {
        super.setUp();
        faults = new Faults(address(manager), address(operators), address(escrow), address(0));
        operators.setSlasher(address(faults));
        (operator, buyer) = (owners[0], buyers[0]);
        _mint(operator, address(operators), STAKE);
        vm.prank(operator);
        operators.topUp(STAKE, noPermit);
        vm.roll(100);
    }

    receive() external payable {
        assertTrue(!refuses);
    }

    /// @dev Two different statements of one job by one key; any other pair takes nothing.
    function testFuzz_proveEquivocation(IFaults.Receipt memory first, IFaults.Receipt memory second, address reporter, uint256 how)
        external
    {
        if (how % 8 != 0) (second.job, second.seq, second.attempt) = (first.job, first.seq, first.attempt);
        if (how % 8 == 1) second = first;
        if (reporter == address(operators) || reporter == faults.BURN_ADDRESS()) reporter = buyer;
        if (how % 8 == 2) reporter = address(0);
        uint256 other = how % 8 == 3 ? FIRST_NODE_KEY + 1 : FIRST_NODE_KEY;
        bytes32 hash = _receiptHash(first);
        bytes32 otherHash = _receiptHash(second);
        bytes memory reason;
        if (reporter == address(0)) reason = abi.encodeWithSelector(IFaults.FaultsAddressZero.selector);
        else if (first.job != second.job || first.seq != second.seq || first.attempt != second.attempt) {
            reason = abi.encodeWithSelector(IFaults.FaultsReceiptsUnrelated.selector);
        } else if (hash == otherHash) reason = abi.encodeWithSelector(IFaults.FaultsReceiptsSame.selector, hash);
        else if (how % 8 == 3) reason = abi.encodeWithSelector(IFaults.FaultsSignersDiffer.selector, nodes[0], nodes[1]);
        bytes memory data = abi.encodeCall(
            faults.proveEquivocation,
            (first, _signed(FIRST_NODE_KEY, hash), second, _signed(other, otherHash), reporter)
        );
        bool goes = _goes(buyer, address(faults), data, reason);
        uint256 taken = goes ? STAKE / 20 : 0;
        assertEq(operators.stakeOf(operator).slashable, STAKE - taken);
        assertEq(token.balanceOf(reporter), taken / 10);
        assertEq(token.balanceOf(faults.BURN_ADDRESS()), taken - taken / 10);
        reason = abi.encodeWithSelector(IFaults.FaultsAlreadyProven.selector, first.job, first.seq, first.attempt);
        if (goes) _goes(buyer, address(faults), data, reason);
    }

    function testFuzz_openChallenge(IFaults.StorageDeal memory deal, address caller, uint256 value, uint256 how) external {
        _shape(deal, how);
        if (how % 8 == 0) deal.sizeBytes = 0;
        if (how % 8 == 1) deal.startsAt = uint64(bound(deal.startsAt, time + 1, time + 100 days));
        if (how % 8 == 2) deal.expiresAt = uint64(bound(deal.expiresAt, 0, time + 1 days - 1));
        if ((how >> 8) % 4 != 0) caller = buyer;
        if (how % 8 == 3) faults.pause();
        uint256 bond = faults.challengeBond(deal.sizeBytes);
        value = bound(value, 0, 2 * bond);
        vm.deal(caller, value);
        bytes32 hash = faults.dealHashOf(deal);
        bool isForged = how % 8 == 7;
        bytes memory data =
            abi.encodeCall(faults.openChallenge, (deal, _signed(isForged ? FIRST_BUYER_KEY : FIRST_NODE_KEY, hash)));
        vm.prank(caller);
        (bool goes, bytes memory found) = address(faults).call{value: value}(data);
        bytes memory reason = _unlessOpened(deal, caller, value, bond, isForged);
        assertEq(keccak256(goes ? bytes("") : found), keccak256(reason));
        assertTrue((faults.challengeOf(hash).state == IFaults.ChallengeState.Open) == goes);
        // What it brought too much is back, or credited.
        assertEq(address(faults).balance - faults.creditOf(caller), goes ? bond : 0);
        assertEq(caller.balance + faults.creditOf(caller), goes ? value - bond : value);
    }

    /// @dev Not before the block is known, not when it is forgotten, not where the answer would be due after the end.
    function testFuzz_pinLeaf(IFaults.StorageDeal memory deal, uint256 blocks, uint256 wait) external {
        (blocks, wait) = (bound(blocks, 0, 300), bound(wait, 0, 4 days));
        _shape(deal, 4);
        deal.expiresAt = uint64(time + 3 days);
        (bytes32 hash, uint256 bond) = _open(deal);
        vm.roll(100 + blocks);
        jump(wait);
        bytes memory reason;
        if (blocks <= 2) reason = abi.encodeWithSelector(IFaults.FaultsLeafTooEarly.selector, 103, 100 + blocks);
        bool goes = _goes(operator, address(faults), abi.encodeCall(faults.pinLeaf, (deal)), reason);
        bool lapses = goes && (blockhash(102) == 0 || wait > 2 days);
        IFaults.Challenge memory found = faults.challengeOf(hash);
        IFaults.ChallengeState wanted = goes ? IFaults.ChallengeState.Pinned : IFaults.ChallengeState.Open;
        assertTrue(found.state == (lapses ? IFaults.ChallengeState.Over : wanted));
        if (blocks > 2 && blocks <= 258) assertTrue(blockhash(102) != 0);
        assertTrue(found.leaf <= (deal.sizeBytes - 1) / 1024);
        assertEq(found.pinnedAt, goes && !lapses ? time : 0);
        assertEq(address(faults).balance, lapses ? 0 : bond);
        assertEq(buyer.balance, lapses ? bond : 0);
    }

    /// @dev The leaf's own bytes end it and bring the bond to the node; any other do not.
    function testFuzz_answerChallenge(IFaults.StorageDeal memory deal, bytes memory content, uint256 how) external {
        _shape(deal, 4);
        if (content.length == 0) content = "a";
        if (content.length > 1024) return;
        deal.sizeBytes = uint64(content.length);
        deal.contentRoot = sha256(abi.encodePacked(bytes1(0x00), content));
        (bytes32 hash, uint256 bond) = _open(deal);
        _pin(deal);
        bytes memory reason;
        bytes memory data = content;
        if (how % 3 == 1) {
            data = abi.encodePacked(content, uint8(how >> 8));
            reason = abi.encodeWithSelector(IFaults.FaultsLeafSize.selector, content.length, data.length);
        } else if (how % 3 == 2) {
            data = abi.encodePacked(content);
            data[(how >> 8) % data.length] ^= 0x01;
            bytes32 root = sha256(abi.encodePacked(bytes1(0x00), data));
            reason = abi.encodeWithSelector(IFaults.FaultsLeafWrong.selector, deal.contentRoot, root);
        }
        bytes memory call = abi.encodeCall(faults.answerChallenge, (deal, data, new bytes32[](0)));
        bool goes = _goes(operator, address(faults), call, reason);
        assertTrue((faults.challengeOf(hash).state == IFaults.ChallengeState.Over) == goes);
        assertEq(nodes[0].balance, goes ? bond : 0);
        assertEq(address(faults).balance, goes ? 0 : bond);
        assertEq(operators.stakeOf(operator).slashable, STAKE);
    }

    /// @dev What was unpaid and the bond of the deal, at most the day's part; nothing while there is time to answer.
    function testFuzz_proveDefault(IFaults.StorageDeal memory deal, address caller, uint256 wait, uint256 how) external {
        _shape(deal, 4);
        (bytes32 hash, uint256 bond) = _open(deal);
        _pin(deal);
        uint256 openedAt = time;
        caller = how % 4 == 0 ? caller : buyer;
        wait = how % 4 == 1 ? 1 days + how / 4 % 2 : bound(wait, 0, 5 days);
        jump(wait);
        bytes memory reason;
        if (caller != buyer) reason = abi.encodeWithSelector(IFaults.FaultsNotBuyer.selector, buyer, caller);
        else if (wait <= 1 days) {
            reason = abi.encodeWithSelector(IFaults.FaultsAnswerTimeLeft.selector, openedAt + 1 days, time);
        }
        bool goes = _goes(caller, address(faults), abi.encodeCall(faults.proveDefault, (deal)), reason);
        uint256 unpaid = uint256(deal.termValue) * (deal.expiresAt - openedAt) / (deal.expiresAt - deal.startsAt);
        uint256 wanted = unpaid + deal.bond;
        uint256 taken = !goes ? 0 : wanted < STAKE / 20 ? wanted : STAKE / 20;
        assertTrue((faults.challengeOf(hash).state == IFaults.ChallengeState.Defaulted) == goes);
        assertEq(operators.stakeOf(operator).slashable, STAKE - taken);
        assertEq(token.balanceOf(buyer), taken / 10);
        assertEq(token.balanceOf(faults.BURN_ADDRESS()), taken - taken / 10);
        assertEq(buyer.balance, goes ? bond : 0);
        assertEq(address(faults).balance, goes ? 0 : bond);
    }

    /// @dev Ether that this account refused when it was the buyer comes out once, where it says.
    function testFuzz_withdrawCredit(uint256 excess, address to, bool isOther, bool refusesAgain) external {
        (excess, to) = (bound(excess, 1, 1 ether), uint160(to) % 4 == 0 ? address(0) : address(uint160(to) % 2 ** 100 + 2 ** 120));
        if (refusesAgain && to != address(0)) to = address(this);
        _creditSelf(excess);
        address caller = isOther ? operator : address(this);
        refuses = refusesAgain;
        bytes memory reason;
        if (to == address(0)) reason = abi.encodeWithSelector(IFaults.FaultsAddressZero.selector);
        else if (isOther) reason = abi.encodeWithSelector(IFaults.FaultsCreditNone.selector, operator);
        else if (refusesAgain) reason = abi.encodeWithSelector(IFaults.FaultsEtherRefused.selector, to);
        uint256 before = to.balance;
        uint256 held = address(faults).balance;
        bool goes = _goes(caller, address(faults), abi.encodeCall(faults.withdrawCredit, (to)), reason);
        assertEq(faults.creditOf(address(this)), goes ? 0 : excess);
        assertEq(to.balance - before, goes ? excess : 0);
        assertEq(held - address(faults).balance, goes ? excess : 0);
    }

    function testFuzz_setPenalties(address caller, uint32 lie, uint32 reward) external {
        (caller, lie, reward) = (_caller(caller), uint32(bound(lie, 0, 60_000)), uint32(bound(reward, 0, 120_000)));
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && (lie < 10_000 || lie > 50_000)) {
            reason = abi.encodeWithSelector(IFaults.FaultsPenaltyOutOfBounds.selector, 50_000, lie);
        } else if (reason.length == 0 && reward > 100_000) {
            reason = abi.encodeWithSelector(IFaults.FaultsRewardTooLarge.selector, 100_000, reward);
        }
        bool goes = _goes(caller, address(faults), abi.encodeCall(faults.setPenalties, (lie, reward)), reason);
        assertEq(faults.equivocationPpm(), goes ? lie : 50_000);
        assertEq(faults.rewardPpm(), goes ? reward : 100_000);
    }

    function testFuzz_setAnswerPeriod(address caller, uint32 period) external {
        (caller, period) = (_caller(caller), uint32(bound(period, 0, 10 days)));
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && (period < 1 days || period > 7 days)) {
            reason = abi.encodeWithSelector(IFaults.FaultsAnswerPeriodOutOfBounds.selector, 1 days, 7 days, period);
        }
        bool goes = _goes(caller, address(faults), abi.encodeCall(faults.setAnswerPeriod, (period)), reason);
        assertEq(faults.answerPeriod(), goes ? period : 1 days);
    }

    function testFuzz_setAnswerGas(address caller, uint64 gas, uint96 low, uint96 high) external {
        (caller, gas) = (_caller(caller), uint64(bound(gas, 0, 4_000_000)));
        (low, high) = (uint96(bound(low, 0, 600 gwei)), uint96(bound(high, 0, 600 gwei)));
        bytes memory reason = _unlessGovernor(caller);
        if (reason.length == 0 && gas > 3_000_000) {
            reason = abi.encodeWithSelector(IFaults.FaultsAnswerGasOutOfBounds.selector, 3_000_000, gas);
        } else if (reason.length == 0 && high > 500 gwei) {
            reason = abi.encodeWithSelector(IFaults.FaultsAnswerFeeOutOfBounds.selector, 500 gwei, high);
        } else if (reason.length == 0 && low > high) {
            reason = abi.encodeWithSelector(IFaults.FaultsAnswerFeeOutOfBounds.selector, high, low);
        }
        bool goes = _goes(caller, address(faults), abi.encodeCall(faults.setAnswerGas, (gas, low, high)), reason);
        IFaults.AnswerGas memory found = faults.answerGas();
        assertEq(found.gas, goes ? gas : 250_000);
        assertEq(found.minimumFee, goes ? low : 0.01 gwei);
        assertEq(found.maximumFee, goes ? high : 100 gwei);
    }

    function testFuzz_setSequencerFeed(address caller, address feed) external {
        caller = _caller(caller);
        bytes memory data = abi.encodeCall(faults.setSequencerFeed, (feed));
        bool goes = _goes(caller, address(faults), data, _unlessGovernor(caller));
        assertEq(faults.sequencerFeed(), goes ? feed : address(0));
    }

    function testFuzz_pause(address caller, bool isPaused) external {
        _checkPause(address(faults), caller, isPaused);
    }

    function testFuzz_unpause(address caller, bool isPaused) external {
        _checkUnpause(address(faults), caller, isPaused);
    }

    function testFuzz_setAuthority(address caller, address next) external {
        _checkSetAuthority(address(faults), caller, next);
    }

    /// @dev A deal of the buyer with the first node that runs and can be challenged.
    function _shape(IFaults.StorageDeal memory deal, uint256 how) private view {
        (deal.node, deal.buyer) = (nodes[0], buyer);
        if (deal.sizeBytes == 0) deal.sizeBytes = 1;
        deal.startsAt = uint64(bound(deal.startsAt, time - 100 days, time));
        deal.expiresAt = uint64(bound(deal.expiresAt, time + 1 days, time + 100 days));
        // Small enough for a part of a day, half of the time.
        if (how % 2 == 0 && deal.nonce % 2 == 0) (deal.termValue, deal.bond) = (deal.termValue % 1 ether, deal.bond % 1 ether);
    }

    function _unlessOpened(IFaults.StorageDeal memory deal, address caller, uint256 value, uint256 bond, bool isForged)
        private
        view
        returns (bytes memory)
    {
        if (faults.paused()) return abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        if (caller != buyer) return abi.encodeWithSelector(IFaults.FaultsNotBuyer.selector, buyer, caller);
        if (deal.sizeBytes == 0 || deal.startsAt >= deal.expiresAt) {
            return abi.encodeWithSelector(IFaults.FaultsDealTerms.selector);
        }
        if (time < deal.startsAt || time + 1 days > deal.expiresAt) {
            return abi.encodeWithSelector(IFaults.FaultsDealNotRunning.selector, deal.startsAt, deal.expiresAt, time);
        }
        if (isForged) return abi.encodeWithSelector(IFaults.FaultsDealSigner.selector, nodes[0], buyer);
        return value < bond ? abi.encodeWithSelector(IFaults.FaultsBondShort.selector, bond, value) : bytes("");
    }

    function _open(IFaults.StorageDeal memory deal) private returns (bytes32 hash, uint256 bond) {
        hash = faults.dealHashOf(deal);
        bond = faults.challengeBond(deal.sizeBytes);
        IFaults.Signature memory signature = _signed(FIRST_NODE_KEY, hash);
        vm.deal(deal.buyer, bond);
        vm.prank(deal.buyer);
        faults.openChallenge{value: bond}(deal, signature);
    }

    function _pin(IFaults.StorageDeal memory deal) private {
        vm.roll(103);
        faults.pinLeaf(deal);
    }

    /// @dev Opens with too much, and does not take it back.
    function _creditSelf(uint256 excess) private {
        IFaults.StorageDeal memory deal;
        _shape(deal, 4);
        deal.buyer = address(this);
        IFaults.Signature memory signature = _signed(FIRST_NODE_KEY, faults.dealHashOf(deal));
        uint256 value = faults.challengeBond(deal.sizeBytes) + excess;
        vm.deal(address(this), value);
        refuses = true;
        faults.openChallenge{value: value}(deal, signature);
    }

    function _receiptHash(IFaults.Receipt memory receipt) private view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Receipt(bytes32 job,uint64 seq,uint32 attempt,bytes32 quoteHash,bytes32 inputHash,bytes32 outputRoot,uint64 firstFrame,uint32 frames,uint32 durationMs,uint64 sizeBytes)"
        );
        return MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), keccak256(abi.encode(typeHash, receipt)));
    }

    function _signed(uint256 key, bytes32 hash) private pure returns (IFaults.Signature memory signature) {
        (signature.r, signature.vs) = _sign(key, hash);
    }
}
