// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title Who sells: staked operators, their node keys and where their proceeds go
/// @notice One transaction joins; none is ever needed to stay in. A node key belongs to one operator for ever: it can be
/// revoked, never deleted or reused, so that everything it ever signed stays attributable. An operator is three parties
/// that may be one: its own account owns the stake, its manager keeps node keys, its beneficiary receives proceeds.
interface IOperatorRegistry {
    /// @notice A node key's proof that it agrees to belong to the operator: EIP-712
    /// `NodePossession(address operator,address node,uint64 validUntil)` signed by the node, with this registry as the
    /// verifying contract; signature in the compact form of EIP-2098.
    struct NodeProof {
        address node;
        uint64 validUntil;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice An EIP-2612 permit for the stake. `deadline` 0 means none: an allowance is used.
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice All that an operator says when it joins.
    /// @param stake LPT in base units, at least the minimum
    /// @param beneficiary Who receives proceeds; zero for the operator itself
    /// @param pushPayouts True to have proceeds sent, false to have them credited in the escrow
    /// @param endpoint Where the first node's signed offer can be fetched
    /// @param cluster The cluster to accept, or 0
    /// @param maximumSharePpm The largest share of pay that the operator accepts for that cluster
    struct JoinRequest {
        uint256 stake;
        Permit permit;
        address beneficiary;
        bool pushPayouts;
        NodeProof node;
        string endpoint;
        uint256 cluster;
        uint32 maximumSharePpm;
    }

    /// @notice What stands behind an operator.
    /// @param stake Its own, not thawing
    /// @param thawing Its own on its way out, still slashable
    /// @param thawEndsAt When its own thawing part can be withdrawn
    /// @param sponsored Its sponsors', not thawing
    /// @param sponsoredThawing Its sponsors' on its way out, still slashable
    /// @param slashable All of it; no less than the sum of the parts, each of which rounds down
    struct StakeInfo {
        uint256 stake;
        uint256 thawing;
        uint256 thawEndsAt;
        uint256 sponsored;
        uint256 sponsoredThawing;
        uint256 slashable;
    }

    /// @notice What one sponsor has behind an operator.
    struct SponsorshipInfo {
        uint256 stake;
        uint256 thawing;
        uint256 thawEndsAt;
    }

    /// @notice Who acts and who is paid for an operator.
    /// @param manager Who may change node keys besides the operator itself, or zero
    /// @param nodeCount How many of its node keys are not revoked
    struct OperatorInfo {
        bool joined;
        address beneficiary;
        bool pushPayouts;
        address manager;
        uint256 nodeCount;
    }

    event OperatorJoined(address indexed operator, uint256 stake);
    event StakeAdded(address indexed operator, uint256 amount, uint256 stake);
    event StakeThawStarted(address indexed operator, uint256 amount, uint256 thawing, uint256 endsAt);
    event StakeThawCanceled(address indexed operator, uint256 amount);
    event StakeWithdrawn(address indexed operator, address indexed to, uint256 amount);
    event StakeSponsored(address indexed operator, address indexed sponsor, uint256 amount, uint256 stake);
    event SponsorThawStarted(
        address indexed operator, address indexed sponsor, uint256 amount, uint256 thawing, uint256 endsAt
    );
    event SponsorThawCanceled(address indexed operator, address indexed sponsor, uint256 amount);
    event SponsorWithdrawn(address indexed operator, address indexed sponsor, address indexed to, uint256 amount);
    event StakeSlashed(address indexed operator, uint256 amount, address indexed slasher);
    /// @notice After every change of stake: what now stands behind the operator, its own and its sponsors' together.
    event StakeChanged(address indexed operator, uint256 stake, uint256 thawing);
    event NodeAdded(address indexed operator, address indexed node, string endpoint);
    event NodeEndpointChanged(address indexed node, string endpoint);
    event NodeRevoked(address indexed operator, address indexed node);
    event NodeRotated(address indexed operator, address indexed oldNode, address indexed newNode);
    event ManagerChanged(address indexed operator, address indexed manager);
    event PayoutChanged(address indexed operator, address indexed beneficiary, bool pushPayouts);
    event MinimumStakeChanged(uint256 minimumStake);
    event SlasherSet(address indexed slasher);

    error OperatorRegistryThawOutOfBounds(uint256 maximum, uint256 found);
    error OperatorRegistryAlreadyJoined(address operator);
    error OperatorRegistryNotJoined(address operator);
    error OperatorRegistryStakeShort(uint256 wanted, uint256 found);
    error OperatorRegistryStakeTooLarge(uint256 maximum, uint256 found);
    error OperatorRegistryStakeWorn(uint256 maximumShares, uint256 found);
    error OperatorRegistrySponsorSelf(address operator);
    error OperatorRegistryTransferShort(uint256 wanted, uint256 found);
    error OperatorRegistryMinimumTooLarge(uint256 maximum, uint256 found);
    error OperatorRegistryAmountZero();
    error OperatorRegistryThawNone();
    error OperatorRegistryThawRunning(uint256 endsAt, uint256 found);
    error OperatorRegistryKeyUsed(address node, address operator);
    error OperatorRegistryKeyUnknown(address node);
    error OperatorRegistryKeyRevoked(address node);
    error OperatorRegistryNodesTooMany(uint256 maximum);
    error OperatorRegistryNotManager(address operator, address found);
    error OperatorRegistryProofExpired(uint256 validUntil, uint256 found);
    error OperatorRegistryProofWrong(address wanted, address found);
    error OperatorRegistryEndpointTooLong(uint256 maximum, uint256 found);
    error OperatorRegistryAddressZero();
    error OperatorRegistrySlasherSet(address slasher);
    error OperatorRegistryNotSlasher(address wanted, address found);

    /// @notice Stakes, adds the first node key, publishes its endpoint and accepts a cluster, in one transaction.
    /// @dev The permit may have been used already by somebody else: then the allowance that it left is used.
    function join(JoinRequest calldata request) external;

    /// @notice Adds a node key. The caller is the operator or its manager.
    function addNode(address operator, NodeProof calldata proof, string calldata endpoint) external;

    /// @notice Revokes a lost key and adds the one that takes its place, in one transaction. The caller is the operator or
    /// its manager. The old key stays the operator's for ever.
    function rotateNode(address node, NodeProof calldata proof, string calldata endpoint) external;

    /// @notice Revokes a node key for ever: it can make no new promise. What it is owed stays collectable. The caller is
    /// the operator or its manager.
    function revokeNode(address node) external;

    /// @notice Says anew where a node's signed offer is. The caller is the operator or its manager.
    function setEndpoint(address node, string calldata endpoint) external;

    /// @notice Lets `manager`, or with zero nobody else, add, rotate and revoke the caller's node keys and say where their
    /// offers are: never touch its stake, its clusters or where proceeds go.
    function setManager(address manager) external;

    /// @notice Chooses who receives proceeds (zero: the operator itself) and whether they are sent or credited.
    function setPayout(address beneficiary, bool pushPayouts) external;

    /// @notice Adds to the caller's stake.
    function topUp(uint256 amount, Permit calldata permit) external;

    /// @notice Starts to take stake out. One thaw at a time: an increase restarts the wait for all of it.
    function thaw(uint256 amount) external;

    /// @notice Returns the thawing part to the stake.
    function cancelThaw() external;

    /// @notice Sends the thawed part to `to`, once the wait is over.
    function withdraw(address to) external;

    /// @notice Puts the caller's stake behind an operator. Only the caller can take it out again; it is slashed in the same
    /// proportion as the operator's own.
    function stakeFor(address operator, uint256 amount, Permit calldata permit) external;

    /// @notice Starts to take the caller's stake out from behind an operator, by the same rules as `thaw`.
    function thawSponsored(address operator, uint256 amount) external;

    /// @notice Returns the caller's thawing part behind an operator to what stands.
    function cancelSponsoredThaw(address operator) external;

    /// @notice Sends the caller's thawed part behind an operator to `to`, once the wait is over.
    function withdrawSponsored(address operator, address to) external;

    /// @notice Takes `amount`, or all there is if less, and sends it to the slasher: the same part of the operator's own
    /// stake and of each sponsor's, thawing or not.
    /// @return taken What was taken
    function slash(address operator, uint256 amount) external returns (uint256 taken);

    /// @notice Sets the only contract that can slash. Works once.
    function setSlasher(address newSlasher) external;

    /// @notice Sets what joining needs at least. Who has joined stays in.
    function setMinimumStake(uint256 newMinimumStake) external;

    /// @notice Stops new promises: joining, new node keys, top-ups and sponsoring. Nothing else.
    function pause() external;

    /// @notice Allows them again.
    function unpause() external;

    /// @notice The operator behind a node key, revoked or not; zero for a key that never was one.
    function operatorOf(address node) external view returns (address operator);

    /// @notice Where a node's proceeds go: all zero for a key that never was one.
    function payoutOf(address node) external view returns (address operator, address beneficiary, bool pushPayouts);

    /// @notice Whether the key can make new promises.
    function isActiveNode(address node) external view returns (bool);

    /// @notice When the key was revoked; 0 if it was not.
    function revokedAt(address node) external view returns (uint256);

    function endpointOf(address node) external view returns (string memory);

    function isOperator(address operator) external view returns (bool);

    /// @notice Whose stake, who manages its keys, where its proceeds go.
    function operatorInfoOf(address operator) external view returns (OperatorInfo memory);

    function stakeOf(address operator) external view returns (StakeInfo memory);

    function sponsorshipOf(address operator, address sponsor) external view returns (SponsorshipInfo memory);

    function minimumStake() external view returns (uint256);

    function slasher() external view returns (address);

    function stakeToken() external view returns (address);

    function clusterRegistry() external view returns (address);

    /// @notice Seconds between the start of a thaw and its withdrawal.
    function thawPeriod() external view returns (uint256);

    function domainSeparator() external view returns (bytes32);
}
