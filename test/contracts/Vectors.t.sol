// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ClusterAccounts} from "../../contracts/libraries/ClusterAccounts.sol";
import {Vouchers} from "../../contracts/libraries/Vouchers.sol";
import {Test} from "./support/Test.sol";

/// @notice The same vectors that TypeScript checks, hashed and recovered as the contracts do it.
contract VectorsTest is Test {
    using Vouchers for uint256[9];

    function test_voucher() external view {
        string memory json = vm.readFile("test/vectors/statements.json");
        uint256[9] memory voucher = Vouchers.open(
            vm.parseJsonAddress(json, ".statements.Voucher.value.payee"),
            vm.parseJsonAddress(json, ".statements.Voucher.value.token"),
            vm.parseJsonUint(json, ".statements.Voucher.value.cluster"),
            uint32(vm.parseJsonUint(json, ".statements.Voucher.value.clusterPpm"))
        );
        voucher.fill(
            vm.parseJsonAddress(json, ".statements.Voucher.value.payer"),
            vm.parseJsonUint(json, ".statements.Voucher.value.cumulative") << 64
                | vm.parseJsonUint(json, ".statements.Voucher.value.seq"),
            vm.parseJsonBytes32(json, ".statements.Voucher.value.usageRoot")
        );
        assertEq(voucher.structHash(), vm.parseJsonBytes32(json, ".statements.Voucher.structHash"));
        assertEq(Vouchers.TYPE_HASH, vm.parseJsonBytes32(json, ".statements.Voucher.typeHash"));
    }

    function test_possessions() external view {
        string memory json = vm.readFile("test/vectors/statements.json");
        bytes32 node = keccak256(
            abi.encode(
                keccak256("NodePossession(address operator,address node,uint64 validUntil)"),
                vm.parseJsonAddress(json, ".statements.NodePossession.value.operator"),
                vm.parseJsonAddress(json, ".statements.NodePossession.value.node"),
                vm.parseJsonUint(json, ".statements.NodePossession.value.validUntil")
            )
        );
        assertEq(node, vm.parseJsonBytes32(json, ".statements.NodePossession.structHash"));
        bytes32 balancer = keccak256(
            abi.encode(
                keccak256("BalancerPossession(uint256 cluster,address owner,address balancer,uint64 validUntil)"),
                vm.parseJsonUint(json, ".statements.BalancerPossession.value.cluster"),
                vm.parseJsonAddress(json, ".statements.BalancerPossession.value.owner"),
                vm.parseJsonAddress(json, ".statements.BalancerPossession.value.balancer"),
                vm.parseJsonUint(json, ".statements.BalancerPossession.value.validUntil")
            )
        );
        assertEq(balancer, vm.parseJsonBytes32(json, ".statements.BalancerPossession.structHash"));
    }

    function test_everyStatementRecoversItsSigner() external view {
        string memory json = vm.readFile("test/vectors/statements.json");
        bytes32 separator = vm.parseJsonBytes32(json, ".domain.separator");
        assertEq(
            separator,
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Leat"),
                    keccak256("1"),
                    vm.parseJsonUint(json, ".domain.chainId"),
                    vm.parseJsonAddress(json, ".domain.verifyingContract")
                )
            )
        );
        string[] memory names = vm.parseJsonKeys(json, ".statements");
        assertEq(names.length, 15);
        for (uint256 i = 0; i < names.length; ++i) {
            string memory path = string.concat(".statements.", names[i]);
            bytes memory encodedType = bytes(vm.parseJsonString(json, string.concat(path, ".encodedType")));
            assertEq(keccak256(encodedType), vm.parseJsonBytes32(json, string.concat(path, ".typeHash")));
            bytes32 structHash = vm.parseJsonBytes32(json, string.concat(path, ".structHash"));
            bytes32 digest = MessageHashUtils.toTypedDataHash(separator, structHash);
            assertEq(digest, vm.parseJsonBytes32(json, string.concat(path, ".digest")));
            (address signer,,) = ECDSA.tryRecover(
                digest,
                vm.parseJsonBytes32(json, string.concat(path, ".r")),
                vm.parseJsonBytes32(json, string.concat(path, ".vs"))
            );
            assertEq(signer, vm.parseJsonAddress(json, string.concat(path, ".signer")));
        }
    }

    function test_partsAndUsageRoots() external view {
        string memory json = vm.readFile("test/vectors/merkle.json");
        bytes32 root = vm.parseJsonBytes32(json, ".root");
        for (uint256 i = 0; i < 7; ++i) {
            string memory path = string.concat(".leaves[", vm.toString(i), "]");
            bytes32 leaf = keccak256(
                abi.encode(
                    uint32(vm.parseJsonUint(json, string.concat(path, ".rung"))),
                    uint32(vm.parseJsonUint(json, string.concat(path, ".part"))),
                    uint32(vm.parseJsonUint(json, string.concat(path, ".frames"))),
                    uint64(vm.parseJsonUint(json, string.concat(path, ".pixels"))),
                    uint64(vm.parseJsonUint(json, string.concat(path, ".sizeBytes"))),
                    vm.parseJsonBytes32(json, string.concat(path, ".sha256"))
                )
            );
            assertEq(leaf, vm.parseJsonBytes32(json, string.concat(path, ".hash")));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, string.concat(path, ".proof"));
            assertTrue(MerkleProof.verify(proof, root, leaf));
        }
        for (uint256 i = 0; i < 2; ++i) {
            string memory path = string.concat(".usageRoots[", vm.toString(i), "]");
            bytes32 usageRoot = keccak256(
                abi.encode(
                    vm.parseJsonBytes32(json, string.concat(path, ".previous")),
                    uint64(vm.parseJsonUint(json, string.concat(path, ".seq"))),
                    vm.parseJsonBytes32(json, string.concat(path, ".receiptsRoot"))
                )
            );
            assertEq(usageRoot, vm.parseJsonBytes32(json, string.concat(path, ".usageRoot")));
        }
    }

    function test_clusterAccounts() external view {
        string memory json = vm.readFile("test/vectors/clusters.json");
        for (uint256 i = 0; i < 4; ++i) {
            string memory path = string.concat("[", vm.toString(i), "]");
            uint256 cluster = vm.parseJsonUint(json, string.concat(path, ".cluster"));
            assertEq(ClusterAccounts.accountOf(cluster), vm.parseJsonAddress(json, string.concat(path, ".account")));
        }
    }
}
