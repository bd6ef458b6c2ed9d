// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title Who sells: staked operators, their node keys and where their proceeds go
/// @notice One transaction joins; none is ever needed to stay in. A node key belongs to one operator for ever: it can be
/// revoked, never deleted or reused, so that everything it ever signed stays attributable.
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

    /// @notice What an operator has at stake.
    /// @param stake Not thawing
    /// @param thawing On its way out, still slashable
    /// @param thawEndsAt When the thawing part can be withdrawn
    struct StakeInfo {
        uint256 stake;
        uint256 thawing;
        uint256 thawEndsAt;
    }

    event OperatorJoined(address indexed operator, uint256 stake);
    event StakeAdded(address indexed operator, uint256 amount, uint256 stake);
    event StakeThawStarted(address indexed operator, uint256 amount, uint256 thawing, uint256 endsAt);
    event StakeThawCanceled(address indexed operator, uint256 amount);
    event StakeWithdrawn(address indexed operator, address indexed to, uint256 amount);
    event StakeSlashed(address indexed operator, uint256 amount, address indexed slasher);
    event NodeAdded(address indexed operator, address indexed node, string endpoint);
    event NodeEndpointChanged(address indexed node, string endpoint);
    event NodeRevoked(address indexed operator, address indexed node);
    event PayoutChanged(address indexed operator, address indexed beneficiary, bool pushPayouts);
    event MinimumStakeChanged(uint256 minimumStake);
    event SlasherSet(address indexed slasher);

    error OperatorRegistryThawOutOfBounds(uint256 maximum, uint256 found);
    error OperatorRegistryAlreadyJoined(address operator);
    error OperatorRegistryNotJoined(address operator);
    error OperatorRegistryStakeShort(uint256 wanted, uint256 found);
    error OperatorRegistryStakeTooLarge(uint256 maximum, uint256 found);
    error OperatorRegistryTransferShort(uint256 wanted, uint256 found);
    error OperatorRegistryMinimumTooLarge(uint256 maximum, uint256 found);
    error OperatorRegistryAmountZero();
    error OperatorRegistryThawNone();
    error OperatorRegistryThawRunning(uint256 endsAt, uint256 found);
    error OperatorRegistryKeyUsed(address node, address operator);
    error OperatorRegistryKeyUnknown(address operator, address node);
    error OperatorRegistryKeyRevoked(address node);
    error OperatorRegistryProofExpired(uint256 validUntil, uint256 found);
    error OperatorRegistryProofWrong(address wanted, address found);
    error OperatorRegistryEndpointTooLong(uint256 maximum, uint256 found);
    error OperatorRegistryAddressZero();
    error OperatorRegistrySlasherSet(address slasher);
    error OperatorRegistryNotSlasher(address wanted, address found);

    /// @notice Stakes, adds the first node key, publishes its endpoint and accepts a cluster, in one transaction.
    /// @dev The permit may have been used already by somebody else: then the allowance that it left is used.
    function join(JoinRequest calldata request) external;

    /// @notice Adds a node key. The caller is the operator.
    function addNode(NodeProof calldata proof, string calldata endpoint) external;

    /// @notice Says anew where a node's signed offer is.
    function setEndpoint(address node, string calldata endpoint) external;

    /// @notice Revokes a node key for ever: it can make no new promise. What it is owed stays collectable.
    function revokeNode(address node) external;

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

    /// @notice Takes `amount`, or all there is if less, of stake and then of thawing stake, and sends it to the slasher.
    /// @return taken What was taken
    function slash(address operator, uint256 amount) external returns (uint256 taken);

    /// @notice Sets the only contract that can slash. Works once.
    function setSlasher(address newSlasher) external;

    /// @notice Sets what joining needs at least. Who has joined stays in.
    function setMinimumStake(uint256 newMinimumStake) external;

    /// @notice Stops, or allows again, new promises: joining, node keys and top-ups. Nothing else.
    function setPaused(bool paused) external;

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

    function stakeOf(address operator) external view returns (StakeInfo memory);

    function minimumStake() external view returns (uint256);

    function slasher() external view returns (address);

    function stakeToken() external view returns (address);

    function clusterRegistry() external view returns (address);

    /// @notice Seconds between the start of a thaw and its withdrawal.
    function thawPeriod() external view returns (uint256);

    function domainSeparator() external view returns (bytes32);
}
