// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title Clusters: nodes under one reseller's terms
/// @notice A cluster pays and is paid through an account bound to its id. Nobody holds that account's key: current
/// balancer keys sign its vouchers, its owner alone withdraws. Shares are in millionths of a payment.
interface IClusterRegistry {
    enum Visibility {
        Listed,
        Unlisted
    }

    enum Admission {
        Open,
        Approval
    }

    /// @notice A balancer key's proof that it agrees to sign for the cluster: EIP-712
    /// `BalancerPossession(uint256 cluster,address owner,address balancer,uint64 validUntil)` signed by the balancer,
    /// with this registry as the verifying contract; signature in the compact form of EIP-2098.
    struct BalancerProof {
        address balancer;
        uint64 validUntil;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice What the chain knows of a cluster.
    /// @param sharePpm The share that it asks now
    /// @param nextSharePpm The share that it will ask from `nextShareAt` on, where that is not 0
    /// @param pendingOwner Who may take it over in the window that opens at `transferAt`, or zero
    struct ClusterInfo {
        address owner;
        Visibility visibility;
        Admission admission;
        uint32 sharePpm;
        uint32 nextSharePpm;
        uint48 nextShareAt;
        address pendingOwner;
        uint48 transferAt;
        string terms;
    }

    /// @notice What an operator agreed with a cluster, and the cluster with it.
    /// @param approved Whether the cluster lets it in: its owner said so, or it was open when the operator accepted
    /// @param refused Whether the owner keeps it out, open or not
    /// @param acceptedPpm The largest share that it accepts now
    /// @param everAccepted Whether it ever accepted, even if it left since
    /// @param highestAcceptedPpm The largest share that it ever accepted: vouchers of that time stay collectable
    struct MembershipInfo {
        bool accepted;
        bool everAccepted;
        bool approved;
        bool refused;
        uint32 acceptedPpm;
        uint32 highestAcceptedPpm;
    }

    event ClusterCreated(uint256 indexed cluster, address indexed owner, address account);
    event ClusterTermsChanged(uint256 indexed cluster, string terms);
    event ClusterAccessChanged(uint256 indexed cluster, Visibility visibility, Admission admission);
    event ClusterShareChanged(uint256 indexed cluster, uint32 sharePpm, uint256 effectiveAt);
    event ClusterTransferStarted(uint256 indexed cluster, address indexed newOwner, uint256 transferAt);
    event ClusterTransferCanceled(uint256 indexed cluster);
    event ClusterTransferred(uint256 indexed cluster, address indexed oldOwner, address indexed newOwner);
    event BalancerAdded(uint256 indexed cluster, address indexed balancer);
    event BalancerRemoved(uint256 indexed cluster, address indexed balancer, uint256 validUntil);
    /// @param approved Whether it is a member with that, or waits for the owner
    event MemberAccepted(
        uint256 indexed cluster, address indexed operator, uint32 maximumSharePpm, bool approved
    );
    event MemberLeft(uint256 indexed cluster, address indexed operator);
    event MemberApprovalChanged(uint256 indexed cluster, address indexed operator, bool approved);

    error ClusterRegistryThawOutOfBounds(uint256 maximum, uint256 found);
    error ClusterRegistryWiringWrong(address wanted, address found);
    error ClusterRegistryUnknown(uint256 cluster);
    error ClusterRegistryNotOwner(address wanted, address found);
    error ClusterRegistryNotOperator(address found);
    error ClusterRegistryNotOperatorRegistry(address wanted, address found);
    error ClusterRegistryShareTooLarge(uint256 maximum, uint256 found);
    error ClusterRegistryShareAboveAccepted(uint256 share, uint256 accepted);
    error ClusterRegistryBalancerUsed(uint256 cluster, address balancer);
    error ClusterRegistryBalancersTooMany(uint256 maximum);
    error ClusterRegistryBalancerUnknown(uint256 cluster, address balancer);
    error ClusterRegistryProofExpired(uint256 validUntil, uint256 found);
    error ClusterRegistryProofWrong(address wanted, address found);
    error ClusterRegistryTermsTooLong(uint256 maximum, uint256 found);
    error ClusterRegistryTransferNone(uint256 cluster);
    error ClusterRegistryTransferEarly(uint256 transferAt, uint256 found);
    error ClusterRegistryTransferLate(uint256 endedAt, uint256 found);
    error ClusterRegistryNotPendingOwner(address wanted, address found);
    error ClusterRegistryMemberRefused(uint256 cluster, address operator);
    error ClusterRegistryNotMember(uint256 cluster, address operator);
    error ClusterRegistryAddressZero();

    /// @notice Creates a cluster owned by the caller. Ids count from 1; a proof names the id that it is for, so where
    /// somebody else was faster, create without keys and add them.
    function create(
        string calldata terms,
        Visibility visibility,
        Admission admission,
        uint32 sharePpm,
        BalancerProof[] calldata balancers
    ) external returns (uint256 cluster);

    /// @notice Adds a balancer key. A removed key cannot come back.
    function addBalancer(uint256 cluster, BalancerProof calldata proof) external;

    /// @notice Removes a balancer key. What it signed stays valid for one thaw.
    function removeBalancer(uint256 cluster, address balancer) external;

    function setTerms(uint256 cluster, string calldata terms) external;

    function setAccess(uint256 cluster, Visibility visibility, Admission admission) external;

    /// @notice Lowers the share at once, or raises it after one thaw's notice.
    function setShare(uint256 cluster, uint32 sharePpm) external;

    /// @notice Approves an operator, or keeps it out until it is approved, before or after it accepts. Holds in an open
    /// cluster too.
    function setApproval(uint256 cluster, address operator, bool approved) external;

    /// @notice The calling operator accepts a cluster and the largest share it lets the cluster take.
    function accept(uint256 cluster, uint32 maximumSharePpm) external;

    /// @notice The same in the name of an operator that is just joining. Only the operator registry may call.
    function acceptFor(address operator, uint256 cluster, uint32 maximumSharePpm) external;

    /// @notice The calling operator leaves, and with it goes its approval. What it earned under the cluster stays
    /// collectable at the signed share.
    function leaveCluster(uint256 cluster) external;

    /// @notice Starts to hand the cluster to `newOwner`, who may take it after more than one thaw, for 30 days.
    function startTransfer(uint256 cluster, address newOwner) external;

    function cancelTransfer(uint256 cluster) external;

    /// @notice The pending owner takes the cluster over, and its account with all that it holds. The balancer keys of the
    /// old owner end; what they signed stays valid for one thaw.
    function acceptTransfer(uint256 cluster) external;

    /// @notice Stops new promises: clusters, balancer keys, acceptances. Nothing else.
    function pause() external;

    /// @notice Allows them again.
    function unpause() external;

    /// @notice The account that a cluster pays and is paid through.
    function accountOf(uint256 cluster) external pure returns (address);

    function ownerOf(uint256 cluster) external view returns (address);

    function clusterOf(uint256 cluster) external view returns (ClusterInfo memory);

    function membershipOf(uint256 cluster, address operator) external view returns (MembershipInfo memory);

    /// @notice Whether the operator accepted the cluster and, where that is needed, was approved.
    function isMember(uint256 cluster, address operator) external view returns (bool);

    /// @notice The largest share that the operator ever accepted; what a claim in the escrow may carry at most.
    /// @return accepted False where it never accepted the cluster
    function highestAcceptedShare(uint256 cluster, address operator)
        external
        view
        returns (bool accepted, uint32 sharePpm);

    /// @notice Whether the key may make new promises for the cluster.
    function isBalancer(uint256 cluster, address balancer) external view returns (bool);

    /// @notice Whether a voucher signed by the key counts now: a current key, or one removed less than a thaw ago.
    function isVoucherSigner(uint256 cluster, address balancer) external view returns (bool);

    /// @notice The current balancer keys, at most 32, in no order.
    function balancersOf(uint256 cluster) external view returns (address[] memory);

    function clusterCount() external view returns (uint256);

    function operatorRegistry() external view returns (address);

    function thawPeriod() external view returns (uint256);

    function domainSeparator() external view returns (bytes32);
}
