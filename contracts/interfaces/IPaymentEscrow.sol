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
    /// @param r The signature in the compact form of EIP-2098
    struct Claim {
        address payer;
        uint128 cumulative;
        uint64 seq;
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
        uint128 cumulative;
        uint64 seq;
        bytes32 usageRoot;
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
        OutOfOrder
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

    /// @notice A voucher brought `amount`; the channel has now paid `collected` in all. The token is that of the channel,
    /// and of the `PaidOut` that follows; the voucher itself, with its usage root, stands in the transaction's input.
    event Collected(
        address indexed payer,
        address indexed payee,
        bytes32 channel,
        uint256 amount,
        uint256 collected
    );

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
    error PaymentEscrowGasShort(uint256 wanted, uint256 found);

    /// @notice Moves `amount` from the caller into the pool of `account` and proves that all of it arrived.
    function deposit(address token, address account, uint256 amount) external;

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

    /// @notice Stops, or allows again, new promises: deposits and reserves. Never withdrawals or collection.
    function setPaused(bool paused) external;

    function poolOf(address account, address token) external view returns (uint256);

    function channelIdOf(address payer, address payee, address token, uint256 cluster, uint32 clusterPpm)
        external
        pure
        returns (bytes32);

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
