// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title What a node can be slashed for: objective faults, each with its proof
/// @notice Two faults exist. Equivocation: one node key signed two different receipts of one job, segment and attempt.
/// Storage default: a challenge against a storage deal that the key signed was not answered in time. Nobody votes and
/// nobody judges. What is taken goes to the reporter in a small part; the rest is sent where nobody has a key.
interface IFaults {
    /// @notice A node's statement of one segment's work, as the network's EIP-712 domain (that of the escrow) has it.
    struct Receipt {
        bytes32 job;
        uint64 seq;
        uint32 attempt;
        bytes32 quoteHash;
        bytes32 inputHash;
        bytes32 outputRoot;
        uint64 firstFrame;
        uint32 frames;
        uint32 durationMs;
        uint64 sizeBytes;
    }

    /// @notice A node's promise to hold bytes for a buyer.
    /// @param contentRoot Root over the leaves of 1 KiB: `StorageProofs`
    /// @param price Of one byte and second, in units of 10^-30 token; what is paid by vouchers
    /// @param termValue What storing for the whole term counts in the stake token, as both agreed: the part that was not
    /// yet stored when a challenge was opened can be taken
    /// @param bond What a default costs beyond that, in the stake token
    struct StorageDeal {
        address node;
        address buyer;
        address token;
        bytes32 contentRoot;
        uint64 sizeBytes;
        uint64 startsAt;
        uint64 expiresAt;
        uint256 price;
        uint128 termValue;
        uint128 bond;
        uint256 nonce;
    }

    /// @notice Compact form of EIP-2098.
    struct Signature {
        bytes32 r;
        bytes32 vs;
    }

    /// @notice None: never challenged. Open: its leaf is not known yet. Pinned: waits for the answer. Over: answered or
    /// lapsed; another may be opened a day after the last. Defaulted: for ever.
    enum ChallengeState {
        None,
        Open,
        Pinned,
        Over,
        Defaulted
    }

    /// @param openedAt When the newest challenge of the deal was opened
    /// @param pinBlock The block whose hash fixes the leaf
    /// @param pinnedAt When it was fixed
    /// @param answerPeriod Seconds from then, or from a later recovery of the sequencer, until it is too late
    /// @param bond Wei that the buyer put down for the answer's gas
    /// @param leaf Which 1 KiB must be shown
    struct Challenge {
        uint64 openedAt;
        uint64 pinBlock;
        uint64 pinnedAt;
        uint32 answerPeriod;
        ChallengeState state;
        uint128 bond;
        uint64 leaf;
    }

    /// @notice How much gas an answer is taken to need, and between which prices of gas it is paid.
    struct AnswerGas {
        uint64 gas;
        uint96 minimumFee;
        uint96 maximumFee;
    }

    event EquivocationProven(
        address indexed node,
        address indexed operator,
        address indexed reporter,
        bytes32 job,
        uint64 seq,
        uint32 attempt,
        uint256 taken,
        uint256 reward
    );
    event ChallengeOpened(
        bytes32 indexed deal, address indexed node, address indexed buyer, uint256 pinBlock, uint256 bond
    );
    event LeafPinned(bytes32 indexed deal, address indexed node, uint256 leaf, uint256 answerBy);
    event ChallengeLapsed(bytes32 indexed deal, address indexed node);
    event ChallengeAnswered(bytes32 indexed deal, address indexed node);
    event StorageDefaulted(
        bytes32 indexed deal,
        address indexed node,
        address indexed operator,
        address buyer,
        uint256 taken,
        uint256 reward
    );
    event EtherCredited(address indexed account, uint256 amount);
    event EtherWithdrawn(address indexed account, address indexed to, uint256 amount);
    event PenaltiesChanged(uint256 equivocationPpm, uint256 rewardPpm);
    event AnswerPeriodChanged(uint256 answerPeriod);
    event AnswerGasChanged(uint256 gas, uint256 minimumFee, uint256 maximumFee);
    event SequencerFeedChanged(address indexed feed);

    error FaultsAddressZero();
    error FaultsPenaltyOutOfBounds(uint256 maximum, uint256 found);
    error FaultsRewardTooLarge(uint256 maximum, uint256 found);
    error FaultsAnswerPeriodOutOfBounds(uint256 minimum, uint256 maximum, uint256 found);
    error FaultsAnswerGasOutOfBounds(uint256 maximum, uint256 found);
    error FaultsAnswerFeeOutOfBounds(uint256 maximum, uint256 found);

    error FaultsReceiptsSame(bytes32 digest);
    error FaultsReceiptsUnrelated();
    error FaultsSignersDiffer(address first, address second);
    error FaultsSignatureInvalid();
    error FaultsAlreadyProven(bytes32 job, uint256 seq, uint256 attempt);
    error FaultsKeyUnknown(address node);
    error FaultsEvidenceLate(uint256 until, uint256 found);
    error FaultsCoolDown(address node);
    error FaultsNothingAtStake(address operator);

    error FaultsNotBuyer(address wanted, address found);
    error FaultsDealSigner(address wanted, address found);
    error FaultsDealTerms();
    error FaultsDealNotRunning(uint256 from, uint256 until, uint256 found);
    error FaultsChallengeState(ChallengeState found);
    error FaultsChallengeTooSoon(uint256 from, uint256 found);
    error FaultsBondShort(uint256 wanted, uint256 found);
    error FaultsLeafTooEarly(uint256 wanted, uint256 found);
    error FaultsLeafSize(uint256 wanted, uint256 found);
    error FaultsLeafWrong(bytes32 wanted, bytes32 found);
    error FaultsAnswerTimeLeft(uint256 until, uint256 found);
    error FaultsSequencerDown();
    error FaultsSequencerUnknown(address feed);
    error FaultsCreditNone(address account);
    error FaultsEtherRefused(address to);

    /// @notice Slashes the operator whose node key signed both receipts. Anybody may call; `reporter` gets the reward.
    /// Each job, segment and attempt of a key counts once.
    function proveEquivocation(
        Receipt calldata first,
        Signature calldata firstSignature,
        Receipt calldata second,
        Signature calldata secondSignature,
        address reporter
    ) external;

    /// @notice Asks a node to show a part of what it promised to hold. The caller is the deal's buyer and brings
    /// `challengeBond`; what it brings beyond that is sent back.
    function openChallenge(StorageDeal calldata deal, Signature calldata signature) external payable;

    /// @notice Fixes the leaf of an open challenge by the hash of its block. Anybody may. Where that hash is gone (256
    /// blocks), or the time to answer would reach beyond the deal's end, the challenge lapses and the bond goes back.
    function pinLeaf(StorageDeal calldata deal) external;

    /// @notice Shows the leaf: ends the challenge and pays the bond to the node. Anybody may, and as long as the default
    /// was not proven: an answer that is late has not been missed by anybody yet.
    /// @param data The leaf's bytes: 1 KiB, less only for the last
    /// @param proof Its siblings from below
    function answerChallenge(StorageDeal calldata deal, bytes calldata data, bytes32[] calldata proof) external;

    /// @notice Slashes the operator of a node that did not answer. The caller is the deal's buyer, who gets the reward
    /// and its bond back. The deal can not be challenged again.
    function proveDefault(StorageDeal calldata deal) external;

    /// @notice Sends ether that could not be sent before.
    function withdrawCredit(address to) external;

    /// @notice Sets what an equivocation costs and what of it a reporter gets, in millionths of stake and of that.
    function setPenalties(uint32 newEquivocationPpm, uint32 newRewardPpm) external;

    /// @notice Sets how long a node has to answer. Challenges that are pinned keep theirs.
    function setAnswerPeriod(uint32 newAnswerPeriod) external;

    /// @notice Sets what challenges opened from now on must bring.
    function setAnswerGas(uint64 gas, uint96 minimumFee, uint96 maximumFee) external;

    /// @notice Sets the oracle of the sequencer; zero where there is none.
    function setSequencerFeed(address newFeed) external;

    /// @notice Stops new challenges. Nothing else: not answers, and not proofs.
    function pause() external;

    /// @notice Allows them again.
    function unpause() external;

    /// @notice The EIP-712 digest by which a deal is known here.
    function dealHashOf(StorageDeal calldata deal) external view returns (bytes32);

    function challengeOf(bytes32 dealHash) external view returns (Challenge memory);

    /// @notice Wei that a challenge of a deal over `sizeBytes` brings in this block: twice the gas of its answer.
    function challengeBond(uint256 sizeBytes) external view returns (uint256);

    /// @notice What can be taken now for a node key, whatever is proven; zero for a key that is not accountable.
    function slashable(address node) external view returns (uint256);

    function wasProven(address node, bytes32 job, uint64 seq, uint32 attempt) external view returns (bool);

    function creditOf(address account) external view returns (uint256);

    function equivocationPpm() external view returns (uint256);

    function rewardPpm() external view returns (uint256);

    function answerPeriod() external view returns (uint256);

    function answerGas() external view returns (AnswerGas memory);

    function sequencerFeed() external view returns (address);

    function operatorRegistry() external view returns (address);

    function escrow() external view returns (address);
}
