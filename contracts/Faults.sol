// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FaultPenalties} from "./faults/FaultPenalties.sol";
import {IFaults} from "./interfaces/IFaults.sol";
import {IPaymentEscrow} from "./interfaces/IPaymentEscrow.sol";
import {FaultStatements} from "./libraries/FaultStatements.sol";
import {StorageProofs} from "./libraries/StorageProofs.sol";

/// @title Faults
contract Faults is FaultPenalties, ReentrancyGuardTransient {
    using FaultStatements for Receipt;
    using FaultStatements for StorageDeal;

    /// @dev The leaf is fixed by a block that nobody has seen when the challenge is opened.
    uint256 public constant LEAF_DELAY_BLOCKS = 2;
    /// @dev Enough for an account with code of its own to take note of ether, too little to do harm with it.
    uint256 private constant _ETHER_GAS = 30_000;

    IPaymentEscrow private immutable _escrow;

    mapping(bytes32 proof => bool) private _proven;
    mapping(bytes32 dealHash => Challenge) private _challenges;
    mapping(address account => uint256 amount) private _credits;

    /// @param escrow_ Whose EIP-712 domain receipts and deals are signed for
    /// @param feed Oracle of the rollup's sequencer; zero where there is none
    constructor(address authority, address operatorRegistry_, address escrow_, address feed)
        FaultPenalties(authority, operatorRegistry_, feed)
    {
        if (escrow_ == address(0)) revert FaultsAddressZero();
        _escrow = IPaymentEscrow(escrow_);
    }

    /// @inheritdoc IFaults
    function proveEquivocation(
        Receipt calldata first,
        Signature calldata firstSignature,
        Receipt calldata second,
        Signature calldata secondSignature,
        address reporter
    ) external nonReentrant {
        if (reporter == address(0)) revert FaultsAddressZero();
        if (first.job != second.job || first.seq != second.seq || first.attempt != second.attempt) {
            revert FaultsReceiptsUnrelated();
        }
        address node = _signerOfBoth(first, firstSignature, second, secondSignature);
        address operator = _accountable(node);
        bytes32 proof = _proofOf(node, first.job, first.seq, first.attempt);
        if (_proven[proof]) revert FaultsAlreadyProven(first.job, first.seq, first.attempt);
        _proven[proof] = true;

        uint256 stake = _stakeOf(operator);
        if (stake == 0) revert FaultsNothingAtStake(operator);
        (uint256 taken, uint256 reward) = _take(node, operator, stake * _settings.equivocationPpm / _PPM, reporter);
        // Reverts all: the proof can be brought again when the day is over.
        if (taken == 0) revert FaultsCoolDown(node);
        emit EquivocationProven(node, operator, reporter, first.job, first.seq, first.attempt, taken, reward);
    }

    /// @inheritdoc IFaults
    function openChallenge(StorageDeal calldata deal, Signature calldata signature)
        external
        payable
        whenNotPaused
        nonReentrant
    {
        if (msg.sender != deal.buyer) revert FaultsNotBuyer(deal.buyer, msg.sender);
        if (deal.sizeBytes == 0 || deal.startsAt >= deal.expiresAt) revert FaultsDealTerms();
        // A node may drop what it held when the deal ends, so the answer must be due before.
        if (block.timestamp < deal.startsAt || block.timestamp + _settings.answerPeriod > deal.expiresAt) {
            revert FaultsDealNotRunning(deal.startsAt, deal.expiresAt, block.timestamp);
        }
        bytes32 hash = dealHashOf(deal);
        address signer = FaultStatements.signerOf(hash, signature);
        if (signer != deal.node) revert FaultsDealSigner(deal.node, signer);
        _accountable(deal.node);
        Challenge storage challenge = _challenges[hash];
        ChallengeState state = challenge.state;
        if (state != ChallengeState.None && state != ChallengeState.Over) revert FaultsChallengeState(state);
        if (state == ChallengeState.Over && block.timestamp < challenge.openedAt + DAY) {
            revert FaultsChallengeTooSoon(challenge.openedAt + DAY, block.timestamp);
        }
        uint256 bond = challengeBond(deal.sizeBytes);
        if (msg.value < bond) revert FaultsBondShort(bond, msg.value);

        uint256 pinBlock = block.number + LEAF_DELAY_BLOCKS;
        _challenges[hash] = Challenge({
            openedAt: uint64(block.timestamp),
            pinBlock: uint64(pinBlock),
            pinnedAt: 0,
            answerPeriod: 0,
            state: ChallengeState.Open,
            // Safe: the bounds of gas and fee keep it below 2^62.
            bond: uint128(bond),
            leaf: 0
        });
        emit ChallengeOpened(hash, deal.node, deal.buyer, pinBlock, bond);
        if (msg.value > bond) _send(msg.sender, msg.value - bond);
    }

    /// @inheritdoc IFaults
    function pinLeaf(StorageDeal calldata deal) external nonReentrant {
        (bytes32 hash, Challenge storage challenge) = _challengeIn(deal, ChallengeState.Open);
        uint256 pinBlock = challenge.pinBlock;
        if (block.number <= pinBlock) revert FaultsLeafTooEarly(pinBlock + 1, block.number);
        bytes32 seed = blockhash(pinBlock);
        uint32 period = _settings.answerPeriod;
        if (seed == 0 || block.timestamp + period > deal.expiresAt) {
            challenge.state = ChallengeState.Over;
            emit ChallengeLapsed(hash, deal.node);
            _send(deal.buyer, challenge.bond);
            return;
        }
        uint256 count = StorageProofs.leafCount(deal.sizeBytes);
        uint256 leaf = uint256(keccak256(abi.encode(seed, hash))) % count;
        challenge.state = ChallengeState.Pinned;
        challenge.pinnedAt = uint64(block.timestamp);
        challenge.answerPeriod = period;
        // Safe: fewer than 2^54 leaves.
        challenge.leaf = uint64(leaf);
        emit LeafPinned(hash, deal.node, leaf, block.timestamp + period);
    }

    /// @inheritdoc IFaults
    function answerChallenge(StorageDeal calldata deal, bytes calldata data, bytes32[] calldata proof)
        external
        nonReentrant
    {
        (bytes32 hash, Challenge storage challenge) = _challengeIn(deal, ChallengeState.Pinned);
        uint256 leaf = challenge.leaf;
        uint256 wanted = StorageProofs.leafSize(deal.sizeBytes, leaf);
        if (data.length != wanted) revert FaultsLeafSize(wanted, data.length);
        bytes32 root = StorageProofs.rootOf(data, leaf, StorageProofs.leafCount(deal.sizeBytes), proof);
        if (root != deal.contentRoot) revert FaultsLeafWrong(deal.contentRoot, root);
        challenge.state = ChallengeState.Over;
        emit ChallengeAnswered(hash, deal.node);
        _send(deal.node, challenge.bond);
    }

    /// @inheritdoc IFaults
    function proveDefault(StorageDeal calldata deal) external nonReentrant {
        if (msg.sender != deal.buyer) revert FaultsNotBuyer(deal.buyer, msg.sender);
        (bytes32 hash, Challenge storage challenge) = _challengeIn(deal, ChallengeState.Pinned);
        uint256 from = challenge.pinnedAt;
        uint256 recoveredAt = _sequencerRecoveredAt();
        uint256 until = (recoveredAt > from ? recoveredAt : from) + challenge.answerPeriod;
        if (block.timestamp <= until) revert FaultsAnswerTimeLeft(until, block.timestamp);
        challenge.state = ChallengeState.Defaulted;

        address operator = _operators.operatorOf(deal.node);
        // What was left to store when the challenge was opened, and so cannot have been paid.
        uint256 unpaid =
            uint256(deal.termValue) * (deal.expiresAt - challenge.openedAt) / (deal.expiresAt - deal.startsAt);
        (uint256 taken, uint256 reward) = _take(deal.node, operator, unpaid + deal.bond, deal.buyer);
        emit StorageDefaulted(hash, deal.node, operator, deal.buyer, taken, reward);
        _send(deal.buyer, challenge.bond);
    }

    /// @inheritdoc IFaults
    function withdrawCredit(address to) external nonReentrant {
        if (to == address(0)) revert FaultsAddressZero();
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert FaultsCreditNone(msg.sender);
        _credits[msg.sender] = 0;
        emit EtherWithdrawn(msg.sender, to, amount);
        (bool success,) = to.call{value: amount}("");
        if (!success) revert FaultsEtherRefused(to);
    }

    /// @inheritdoc IFaults
    function dealHashOf(StorageDeal calldata deal) public view returns (bytes32) {
        return deal.digest(_escrow.domainSeparator());
    }

    /// @inheritdoc IFaults
    function challengeOf(bytes32 dealHash) external view returns (Challenge memory) {
        return _challenges[dealHash];
    }

    /// @inheritdoc IFaults
    function wasProven(address node, bytes32 job, uint64 seq, uint32 attempt) external view returns (bool) {
        return _proven[_proofOf(node, job, seq, attempt)];
    }

    /// @inheritdoc IFaults
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc IFaults
    function escrow() external view returns (address) {
        return address(_escrow);
    }

    function _signerOfBoth(
        Receipt calldata first,
        Signature calldata firstSignature,
        Receipt calldata second,
        Signature calldata secondSignature
    ) private view returns (address node) {
        bytes32 separator = _escrow.domainSeparator();
        bytes32 firstHash = first.digest(separator);
        bytes32 secondHash = second.digest(separator);
        if (firstHash == secondHash) revert FaultsReceiptsSame(firstHash);
        node = FaultStatements.signerOf(firstHash, firstSignature);
        address other = FaultStatements.signerOf(secondHash, secondSignature);
        if (node != other) revert FaultsSignersDiffer(node, other);
    }

    /// @dev The deal is known by its hash: whoever brings another has no challenge.
    function _challengeIn(StorageDeal calldata deal, ChallengeState wanted)
        private
        view
        returns (bytes32 hash, Challenge storage challenge)
    {
        hash = dealHashOf(deal);
        challenge = _challenges[hash];
        if (challenge.state != wanted) revert FaultsChallengeState(challenge.state);
    }

    /// @dev Last of all. What cannot be sent is credited, so that nobody can hold up a challenge by refusing ether.
    function _send(address to, uint256 amount) private {
        (bool success,) = to.call{value: amount, gas: _ETHER_GAS}("");
        if (success) return;
        _credits[to] += amount;
        emit EtherCredited(to, amount);
    }

    function _proofOf(address node, bytes32 job, uint64 seq, uint32 attempt) private pure returns (bytes32) {
        return keccak256(abi.encode(node, job, seq, attempt));
    }
}
