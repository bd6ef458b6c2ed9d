// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title Deposits, reserves and the collection of vouchers
/// @notice Money of a payer is in two places. The **pool** is free: the payer can withdraw it, and it is worth nothing as
/// a promise. The **reserve** of a channel is promised to one payee: it leaves by vouchers or, after a thaw, back into
/// the pool. A channel is (payer, payee, token, cluster, clusterPpm). Claims draw on the reserve, then on the pool, and
/// on the thawing part of the reserve last.
/// @dev `asCluster` in a function is the cluster in whose account's name the caller acts, or 0 for its own.
interface IPaymentEscrow {
    /// @notice One voucher of a group, signed by its payer:
    /// `Voucher(address payer,address payee,address token,uint256 cluster,uint32 clusterPpm,uint128 cumulative,uint64 seq,bytes32 usageRoot)`.
    /// @param total `cumulative << 64 | seq`, as in a member's claim: one word, since each word of input costs gas
    /// @param r The signature in the compact form of EIP-2098
    struct Claim {
        address payer;
        uint256 total;
        bytes32 usageRoot;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice Vouchers of one payee on one token under one cluster share.
    /// @param payeeCluster The cluster whose account the payee is, or 0 for a node
    /// @param payerCluster The cluster whose account the payer of the claims is, so that balancer keys signed them; 0 for
    /// payers who signed themselves
    struct ClaimGroup {
        address payee;
        uint256 payeeCluster;
        uint256 payerCluster;
        address token;
        uint256 cluster;
        uint32 clusterPpm;
        Claim[] claims;
    }

    /// @notice A voucher of a cluster's account to a node, on a channel without cluster and share.
    struct MemberClaim {
        address payee;
        uint256 total;
        bytes32 usageRoot;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice An EIP-2612 permit of the caller to the escrow.
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice An EIP-3009 `ReceiveWithAuthorization` of `from` to the escrow. Its nonce is not given but computed from
    /// what the money is for, so that whoever sees the authorisation can submit it but not redirect it.
    /// @param salt 32 bytes of the signer's choice: each nonce is good once
    struct Authorization {
        address from;
        uint256 amount;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 salt;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice A key's proof that it agrees to sign for the payer: EIP-712
    /// `SignerPossession(address payer,address signer,uint64 validUntil)` signed by the key; signature in the compact form
    /// of EIP-2098.
    struct SignerProof {
        address signer;
        uint64 validUntil;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice What the escrow holds of one channel.
    /// @param collected All that was ever paid on it
    /// @param reserve Promised and not thawing
    /// @param thawing On its way back to the pool, still collectable
    struct ChannelInfo {
        uint128 collected;
        uint128 reserve;
        uint128 thawing;
        uint64 thawEndsAt;
    }

    /// @notice Why a claim was passed over.
    enum SkipReason {
        PayeeUnknown,
        ShareNotAccepted,
        PayerNotCluster,
        NothingNew,
        SignatureWrong,
        OutOfOrder,
        SignerExpired,
        SignerCapExceeded
    }

    event Deposited(address indexed token, address indexed account, address indexed from, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);
    event Reserved(
        address indexed payer,
        address indexed payee,
        address indexed token,
        bytes32 channel,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount,
        uint256 reserve
    );
    event ReserveThawStarted(
        address indexed payer, address indexed payee, bytes32 channel, uint256 thawing, uint256 endsAt
    );
    event ReserveThawCanceled(address indexed payer, address indexed payee, bytes32 channel, uint256 amount);
    event ReserveReleased(address indexed payer, address indexed payee, bytes32 channel, uint256 amount);

    /// @notice A voucher brought the channel's total to `collected`: totals only grow, so what it brought is the difference
    /// to the channel's last one. The channel's parties and token are in its `Reserved`; the voucher itself, with its usage
    /// root, stands in the transaction's input.
    event Collected(bytes32 indexed channel, uint256 collected);

    /// @notice A voucher could not be paid in full: `missing` stays claimable.
    event Bounced(address indexed payer, address indexed payee, bytes32 channel, uint256 missing);
    event ClaimSkipped(address indexed payer, address indexed payee, address indexed token, SkipReason reason);

    /// @notice Where a group's money went: `amount` to the payee's beneficiary, the rest to cluster and treasury.
    event PaidOut(
        address indexed token,
        address indexed payee,
        address indexed beneficiary,
        uint256 amount,
        uint256 clusterShare,
        uint256 fee,
        bool pushed
    );

    /// @notice Vouchers of `signer` count on the channel up to a total of `cap`, until one thaw after `validUntil`.
    event SignerAllotted(
        address indexed payer,
        address indexed payee,
        address indexed signer,
        bytes32 channel,
        uint128 cap,
        uint64 validUntil
    );
    event SignerRevoked(
        address indexed payer,
        address indexed payee,
        address indexed signer,
        bytes32 channel,
        uint64 validUntil
    );
    event TokenAllowed(address indexed token, bool allowed);
    event FeeScheduled(uint256 feePpm, uint256 effectiveAt);
    event TreasuryChanged(address indexed treasury);

    error PaymentEscrowThawOutOfBounds(uint256 maximum, uint256 found);
    error PaymentEscrowThawDiffers(uint256 wanted, uint256 found);
    error PaymentEscrowTokenNotAllowed(address token);
    error PaymentEscrowTransferShort(uint256 wanted, uint256 found);
    error PaymentEscrowPoolShort(uint256 wanted, uint256 found);
    error PaymentEscrowReserveShort(uint256 wanted, uint256 found);
    error PaymentEscrowReserveTooLarge(uint256 maximum, uint256 found);
    error PaymentEscrowAmountZero();
    error PaymentEscrowAddressZero();
    error PaymentEscrowShareInvalid(uint256 cluster, uint256 clusterPpm);
    error PaymentEscrowNotBalancer(uint256 cluster, address found);
    error PaymentEscrowNotOwner(address wanted, address found);
    error PaymentEscrowThawNone();
    error PaymentEscrowThawRunning(uint256 endsAt, uint256 found);
    error PaymentEscrowFeeTooLarge(uint256 maximum, uint256 found);
    error PaymentEscrowValidityOutOfBounds(uint256 maximum, uint256 found);
    error PaymentEscrowCapFell(uint256 held, uint256 found);
    error PaymentEscrowSignerNotAllotted(bytes32 channel, address signer);
    error PaymentEscrowProofExpired(uint256 validUntil, uint256 found);
    error PaymentEscrowProofWrong(address wanted, address found);
    error PaymentEscrowGasShort(uint256 wanted, uint256 found);

    /// @notice Moves `amount` from the caller into the pool of `account` and proves that all of it arrived.
    function deposit(address token, address account, uint256 amount) external;

    /// @notice The same with a permit in place of an allowance.
    /// @dev The permit may have been used already by somebody else: then the allowance that it left is used.
    function depositWithPermit(address token, address account, uint256 amount, Permit calldata permit) external;

    /// @notice Moves what `authorization.from` authorised into the pool of `account`. Anyone may submit. The
    /// authorisation's nonce is `keccak256(abi.encode(keccak256("leat.deposit"), account, salt))`.
    function depositWithAuthorization(address token, address account, Authorization calldata authorization) external;

    /// @notice Moves what a payer authorised straight into the reserve of its channel. Anyone may submit. The
    /// authorisation's nonce is `keccak256(abi.encode(keccak256("leat.reserve"), payee, cluster, clusterPpm, salt))`.
    function reserveWithAuthorization(
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        Authorization calldata authorization
    ) external;

    /// @notice Lets a key sign vouchers on one channel of the caller's, up to a total of `cap` base units. While its
    /// vouchers count, the cap can only rise.
    /// @param cap The channel's cumulative total that its vouchers may reach: absolute, so that two signers of one channel
    /// spend the same money, not twice as much
    /// @param validUntil Seconds since 1970; its vouchers stay collectable one thaw longer
    function allotSigner(
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint128 cap,
        uint64 validUntil,
        SignerProof calldata proof
    ) external;

    /// @notice Ends an allotment now: what the key signed stays collectable for one thaw.
    function revokeSigner(address payee, address token, uint256 cluster, uint32 clusterPpm, address signer) external;

    /// @notice Sends part of the pool to `to`. For a cluster only its owner may.
    function withdraw(uint256 asCluster, address token, uint256 amount, address to) external;

    /// @notice Promises part of the pool to one payee. For a cluster its owner or a current balancer key may.
    function reserve(
        uint256 asCluster,
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount
    ) external;

    /// @notice Starts to take part of a reserve back. One thaw at a time: an increase restarts the wait for all of it.
    function thaw(
        uint256 asCluster,
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        uint256 amount
    ) external;

    /// @notice Returns the thawing part to the reserve.
    function cancelThaw(uint256 asCluster, address payee, address token, uint256 cluster, uint32 clusterPpm) external;

    /// @notice Moves the thawed part into the pool, once the wait is over.
    function release(uint256 asCluster, address payee, address token, uint256 cluster, uint32 clusterPpm) external;

    /// @notice Collects vouchers. Anyone may submit: money goes only to payees, clusters and the treasury. A claim that
    /// cannot stand is passed over with an event and never reverts the others.
    /// @return paid What each group's claims brought
    function collect(ClaimGroup[] calldata groups) external returns (uint256[] memory paid);

    /// @notice Collects a cluster's vouchers from its buyers, then pays its members from their reserves and, in
    /// proportion to what they are still owed, from the cluster's pool.
    /// @param members In rising order of payee, each once; another order is passed over
    /// @return fromBuyers What the buyers' vouchers brought
    /// @return toMembers What the members were paid
    function collectFor(
        uint256 cluster,
        address token,
        Claim[] calldata buyers,
        MemberClaim[] calldata members
    ) external returns (uint256 fromBuyers, uint256 toMembers);

    /// @notice Allows or stops new deposits and reserves of a token. What is inside can always leave.
    function setTokenAllowed(address token, bool allowed) external;

    /// @notice Lowers the protocol fee at once, or raises it after a notice longer than the thaw.
    function setFee(uint16 newFeePpm) external;

    /// @notice Sets the account that the fee is credited to.
    function setTreasury(address newTreasury) external;

    /// @notice Stops new promises: deposits, reserves and signers. Never withdrawals or collection.
    function pause() external;

    /// @notice Allows them again.
    function unpause() external;

    function poolOf(address account, address token) external view returns (uint256);

    function channelIdOf(address payer, address payee, address token, uint256 cluster, uint32 clusterPpm)
        external
        pure
        returns (bytes32);

    /// @notice What a key may sign on a channel; zeros where it was never allotted.
    function allotmentOf(bytes32 channel, address signer) external view returns (uint128 cap, uint64 validUntil);

    function channelOf(bytes32 channel) external view returns (ChannelInfo memory);

    function isTokenAllowed(address token) external view returns (bool);

    /// @notice The fee that applies now, in millionths of what reaches a node.
    function feePpm() external view returns (uint256);

    function treasury() external view returns (address);

    function thawPeriod() external view returns (uint256);

    function operatorRegistry() external view returns (address);

    function clusterRegistry() external view returns (address);

    function domainSeparator() external view returns (bytes32);
}
