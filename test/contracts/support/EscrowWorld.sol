// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ClusterRegistry} from "../../../contracts/ClusterRegistry.sol";
import {OperatorRegistry} from "../../../contracts/OperatorRegistry.sol";
import {PaymentEscrow} from "../../../contracts/PaymentEscrow.sol";
import {IClusterRegistry} from "../../../contracts/interfaces/IClusterRegistry.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {IPaymentEscrow} from "../../../contracts/interfaces/IPaymentEscrow.sol";
import {Vouchers} from "../../../contracts/libraries/Vouchers.sol";
import {DevelopmentToken} from "../../../contracts/mocks/DevelopmentToken.sol";
import {Test} from "./Test.sol";

/// @notice Everything deployed, a cluster with a balancer, two nodes (one credited, one pushed) and three payers: two
/// buyers and the cluster's account.
abstract contract EscrowWorld is Test {
    using Vouchers for uint256[9];

    uint256 internal constant BALANCER_KEY = 0xba1;
    uint256 internal constant FIRST_NODE_KEY = 0xa0de;
    uint256 internal constant FIRST_BUYER_KEY = 0xb0b;
    uint32 internal constant SHARE_PPM = 100_000;

    AccessManager internal manager;
    DevelopmentToken internal token;
    OperatorRegistry internal operators;
    ClusterRegistry internal clusters;
    PaymentEscrow internal escrow;
    uint256 internal cluster;
    address internal account;
    address internal treasury = address(0xfee);
    address[2] internal owners = [address(0x0e1), address(0x0e2)];
    address[2] internal nodes;
    address[2] internal buyers;
    /// @dev Kept here since the optimizer reads `block.timestamp` once per call: jumps by it would not add up.
    uint256 internal time = 1_800_000_000;

    function setUp() public virtual {
        vm.warp(time);
        manager = new AccessManager(address(this));
        token = new DevelopmentToken("Livepeer Token", "LPT", 18);
        address clustersToBe = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        operators = new OperatorRegistry(address(manager), address(token), clustersToBe, 7 days, 0);
        clusters = new ClusterRegistry(address(manager), address(operators), 7 days);
        escrow = new PaymentEscrow(address(manager), address(operators), address(clusters), treasury, 7 days);
        escrow.setTokenAllowed(address(token), true);
        cluster = clusters.create("", IClusterRegistry.Visibility.Listed, IClusterRegistry.Admission.Open, SHARE_PPM, _proofs());
        account = clusters.accountOf(cluster);
        for (uint256 i = 0; i < 2; ++i) {
            buyers[i] = vm.addr(FIRST_BUYER_KEY + i);
            nodes[i] = vm.addr(FIRST_NODE_KEY + i);
            _join(i);
        }
    }

    /// @notice A voucher of buyer 0 or 1, or of the cluster's account (2).
    function claimOf(uint256 payer, address payee, uint256 clusterId, uint32 ppm, uint128 cumulative)
        internal
        view
        returns (IPaymentEscrow.Claim memory claim)
    {
        claim.payer = payerOf(payer);
        claim.total = uint256(cumulative) << 64;
        uint256[9] memory voucher = Vouchers.open(payee, address(token), clusterId, ppm);
        voucher.fill(claim.payer, claim.total, 0);
        bytes32 digest = MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), voucher.structHash());
        (claim.r, claim.vs) = _sign(payer == 2 ? BALANCER_KEY : FIRST_BUYER_KEY + payer, digest);
    }

    function payerOf(uint256 payer) internal view returns (address) {
        return payer == 2 ? account : buyers[payer];
    }

    function jump(uint256 spanSeconds) internal {
        time += spanSeconds;
        vm.warp(time);
    }

    /// @notice A node key's own agreement to belong to the operator.
    function nodeProofOf(address operator, uint256 key) internal view returns (IOperatorRegistry.NodeProof memory proof) {
        proof.node = vm.addr(key);
        proof.validUntil = type(uint64).max;
        bytes32 typeHash = keccak256("NodePossession(address operator,address node,uint64 validUntil)");
        bytes32 structHash = keccak256(abi.encode(typeHash, operator, proof.node, proof.validUntil));
        (proof.r, proof.vs) =
            _sign(key, MessageHashUtils.toTypedDataHash(operators.domainSeparator(), structHash));
    }

    /// @notice A balancer key's own agreement to sign for the cluster of this owner.
    function balancerProofOf(uint256 clusterId, address owner, uint256 key)
        internal
        view
        returns (IClusterRegistry.BalancerProof memory proof)
    {
        proof.balancer = vm.addr(key);
        proof.validUntil = type(uint64).max;
        bytes32 typeHash = keccak256("BalancerPossession(uint256 cluster,address owner,address balancer,uint64 validUntil)");
        bytes32 structHash = keccak256(abi.encode(typeHash, clusterId, owner, proof.balancer, proof.validUntil));
        (proof.r, proof.vs) = _sign(key, MessageHashUtils.toTypedDataHash(clusters.domainSeparator(), structHash));
    }

    /// @notice A key's own agreement to sign for the payer.
    function signerProofOf(address payer, uint256 key) internal view returns (IPaymentEscrow.SignerProof memory proof) {
        proof.signer = vm.addr(key);
        proof.validUntil = type(uint64).max;
        bytes32 typeHash = keccak256("SignerPossession(address payer,address signer,uint64 validUntil)");
        bytes32 structHash = keccak256(abi.encode(typeHash, payer, proof.signer, proof.validUntil));
        (proof.r, proof.vs) = _sign(key, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), structHash));
    }

    /// @notice A permit of `owner` without an end, signed by the key.
    function signPermit(DevelopmentToken erc20, uint256 key, address owner, address spender, uint256 amount)
        internal
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, owner, spender, amount, erc20.nonces(owner), type(uint256).max));
        return vm.sign(key, MessageHashUtils.toTypedDataHash(erc20.DOMAIN_SEPARATOR(), structHash));
    }

    /// @notice An EIP-3009 authorisation of the key's own account to the escrow, valid without an end.
    function authorizationOf(DevelopmentToken erc20, uint256 key, uint256 amount, bytes32 salt, bytes32 nonce)
        internal
        view
        returns (IPaymentEscrow.Authorization memory made)
    {
        (made.from, made.amount, made.validBefore, made.salt) = (vm.addr(key), amount, type(uint256).max, salt);
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash =
            keccak256(abi.encode(typeHash, made.from, address(escrow), amount, 0, made.validBefore, nonce));
        bytes32 digest = MessageHashUtils.toTypedDataHash(erc20.DOMAIN_SEPARATOR(), structHash);
        (made.v, made.r, made.s) = vm.sign(key, digest);
    }

    function _join(uint256 index) private {
        IOperatorRegistry.JoinRequest memory request;
        request.pushPayouts = index == 1;
        request.cluster = cluster;
        request.maximumSharePpm = SHARE_PPM;
        request.node = nodeProofOf(owners[index], FIRST_NODE_KEY + index);
        vm.prank(owners[index]);
        operators.join(request);
    }

    function _proofs() private view returns (IClusterRegistry.BalancerProof[] memory proofs) {
        proofs = new IClusterRegistry.BalancerProof[](1);
        proofs[0] = balancerProofOf(1, address(this), BALANCER_KEY);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        bytes32 s;
        (v, r, s) = vm.sign(key, digest);
        vs = bytes32(uint256(s) | uint256(v - 27) << 255);
    }
}
