// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {Faults} from "../../../contracts/Faults.sol";
import {IFaults} from "../../../contracts/interfaces/IFaults.sol";
import {FaultStatements} from "../../../contracts/libraries/FaultStatements.sol";
import {StorageProofs} from "../../../contracts/libraries/StorageProofs.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {EscrowWorld} from "../support/EscrowWorld.sol";

/// @notice What takes, without the proof before it.
contract OpenFaults is Faults {
    constructor(address authority, address operators, address escrow) Faults(authority, operators, escrow, address(0)) {}

    function take(address node, address operator, uint256 wanted, address reporter)
        external
        returns (uint256 taken, uint256 reward)
    {
        return _take(node, operator, wanted, reporter);
    }

    function stakeOf(address operator) external view returns (uint256) {
        return _stakeOf(operator);
    }
}

/// @notice The libraries take calldata.
contract OpenLibraries {
    function rootOf(bytes calldata data, uint256 leaf, uint256 count, bytes32[] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return StorageProofs.rootOf(data, leaf, count, proof);
    }

    function receiptDigest(IFaults.Receipt calldata receipt, bytes32 separator) external pure returns (bytes32) {
        return FaultStatements.digest(receipt, separator);
    }

    function dealDigest(IFaults.StorageDeal calldata deal, bytes32 separator) external pure returns (bytes32) {
        return FaultStatements.digest(deal, separator);
    }
}

contract FaultsTest is EscrowWorld {
    uint256 private constant STAKE = 1_000 ether;
    uint256 private constant STEPS = 24;

    OpenFaults private faults;
    OpenLibraries private libraries;
    uint256[] private times;
    uint256[] private takings;
    uint256[] private stakes;

    function setUp() public override {
        super.setUp();
        faults = new OpenFaults(address(manager), address(operators), address(escrow));
        libraries = new OpenLibraries();
        operators.setSlasher(address(faults));
        token.mint(owners[0], STAKE);
        vm.prank(owners[0]);
        token.approve(address(operators), STAKE);
        IOperatorRegistry.Permit memory none;
        vm.prank(owners[0]);
        operators.topUp(STAKE, none);
    }

    /// @notice Whatever is taken, thawed, withdrawn and revoked, and whenever: no span of a day holds more than 5 % of
    /// the stake at its beginning, a reporter gets no more than a tenth, and nothing is left in between or comes from
    /// nowhere.
    function testFuzz_noDayTakesMoreThanItsPart(uint256 seed) external {
        uint256 burned = token.balanceOf(faults.BURN_ADDRESS());
        uint256 total;
        for (uint256 i = 0; i < STEPS; ++i) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            jump(bound(seed, 0, seed % 3 == 0 ? 2 days : 9 hours));
            _moveStake(seed);
            uint256 stake = faults.stakeOf(owners[0]);
            (uint256 taken, uint256 reward) =
                faults.take(nodes[0], owners[0], bound(seed >> 8, 0, stake / 10), address(0x4e));
            assertTrue(reward * 10 <= taken);
            assertEq(faults.stakeOf(owners[0]), stake - taken);
            total += taken;
            times.push(time);
            takings.push(taken);
            stakes.push(stake);
        }
        assertEq(token.balanceOf(faults.BURN_ADDRESS()) - burned + token.balanceOf(address(0x4e)), total);
        assertEq(token.balanceOf(address(faults)), 0);
        _checkDays();
    }

    /// @notice After a revocation a key costs its operator one day's part at most, however long that lasts.
    function testFuzz_revokedKeyCostsOneRun(uint256 seed) external {
        vm.prank(owners[0]);
        operators.revokeNode(nodes[0]);
        uint256 stake = faults.stakeOf(owners[0]);
        uint256 total;
        for (uint256 i = 0; i < STEPS; ++i) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            jump(bound(seed, 0, 3 days));
            (uint256 taken,) = faults.take(nodes[0], owners[0], bound(seed >> 8, 0, stake / 10), address(0x4e));
            total += taken;
        }
        assertTrue(total <= stake / 20);
    }

    /// @notice A leaf at its place comes to the root; the same bytes at another place, or altered, never do.
    function testFuzz_leavesProveTheirPlace(uint256 seed, uint16 size) external view {
        bytes memory content = new bytes(bound(size, 1, 6_000));
        for (uint256 i = 0; i < content.length; i += 7) content[i] = bytes1(uint8(uint256(keccak256(abi.encode(seed, i)))));
        uint256 count = StorageProofs.leafCount(content.length);
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) level[i] = sha256(abi.encodePacked(bytes1(0x00), _leaf(content, i)));
        uint256 leaf = seed % count;
        (bytes32 root, bytes32[] memory proof) = _climb(level, leaf);
        bytes memory data = _leaf(content, leaf);
        assertEq(libraries.rootOf(data, leaf, count, proof), root);
        uint256 other = (leaf + 1 + (seed >> 32) % count) % count;
        if (other != leaf) assertTrue(libraries.rootOf(data, other, count, proof) != root);
        data[0] ^= 0x01;
        assertTrue(libraries.rootOf(data, leaf, count, proof) != root);
    }

    function test_vectorsOfTrees() external view {
        string memory json = vm.readFile("test/vectors/faults.json");
        for (uint256 tree = 0; tree < 8; ++tree) {
            string memory path = string.concat(".trees[", vm.toString(tree), "]");
            bytes memory content = vm.parseJsonBytes(json, string.concat(path, ".content"));
            uint256 count = StorageProofs.leafCount(content.length);
            for (uint256 i = 0; i < count; ++i) {
                bytes32[] memory proof =
                    vm.parseJsonBytes32Array(json, string.concat(path, ".proofs[", vm.toString(i), "]"));
                assertEq(
                    libraries.rootOf(_leaf(content, i), i, count, proof),
                    vm.parseJsonBytes32(json, string.concat(path, ".root"))
                );
                assertEq(_leaf(content, i).length, StorageProofs.leafSize(content.length, i));
            }
        }
    }

    function test_vectorsOfStatements() external view {
        string memory json = vm.readFile("test/vectors/statements.json");
        bytes32 separator = vm.parseJsonBytes32(json, ".domain.separator");
        bytes32 digest = libraries.dealDigest(_deal(json), separator);
        assertEq(digest, vm.parseJsonBytes32(json, ".statements.StorageDeal.digest"));
        string memory pair = vm.readFile("test/vectors/faults.json");
        assertEq(
            libraries.receiptDigest(_receipt(pair, ".equivocation.first.value"), separator),
            vm.parseJsonBytes32(pair, ".digests[0]")
        );
        assertEq(
            libraries.receiptDigest(_receipt(pair, ".equivocation.second.value"), separator),
            vm.parseJsonBytes32(pair, ".digests[1]")
        );
    }

    function _moveStake(uint256 seed) private {
        uint256 what = (seed >> 128) % 6;
        IOperatorRegistry.StakeInfo memory info = operators.stakeOf(owners[0]);
        vm.prank(owners[0]);
        if (what == 0 && info.stake > 10) operators.thaw(info.stake / 10);
        else if (what == 1 && info.thawing != 0 && time >= info.thawEndsAt) operators.withdraw(owners[0]);
        else if (what == 2 && info.thawing != 0) operators.cancelThaw();
        else operators.setPayout(owners[0], false);
    }

    function _checkDays() private view {
        for (uint256 from = 0; from < STEPS; ++from) {
            uint256 sum;
            for (uint256 i = from; i < STEPS && times[i] < times[from] + 1 days; ++i) sum += takings[i];
            assertTrue(sum <= stakes[from] / 20);
        }
    }

    function _leaf(bytes memory content, uint256 leaf) private pure returns (bytes memory data) {
        data = new bytes(StorageProofs.leafSize(content.length, leaf));
        for (uint256 i = 0; i < data.length; ++i) data[i] = content[leaf * 1024 + i];
    }

    /// @dev The tree built whole, as `sdk/protocol/storage-tree.ts` does.
    function _climb(bytes32[] memory level, uint256 leaf) private pure returns (bytes32, bytes32[] memory proof) {
        proof = new bytes32[](64);
        uint256 used;
        while (level.length > 1) {
            if (leaf ^ 1 < level.length) proof[used++] = level[leaf ^ 1];
            bytes32[] memory above = new bytes32[]((level.length + 1) / 2);
            for (uint256 i = 0; i < level.length; i += 2) {
                above[i / 2] = i + 1 == level.length
                    ? level[i]
                    : sha256(abi.encodePacked(bytes1(0x01), level[i], level[i + 1]));
            }
            level = above;
            leaf >>= 1;
        }
        // Safe: shortens an array that is longer.
        assembly ("memory-safe") {
            mstore(proof, used)
        }
        return (level[0], proof);
    }

    function _deal(string memory json) private pure returns (IFaults.StorageDeal memory deal) {
        string memory path = ".statements.StorageDeal.value";
        deal.node = vm.parseJsonAddress(json, string.concat(path, ".node"));
        deal.buyer = vm.parseJsonAddress(json, string.concat(path, ".buyer"));
        deal.token = vm.parseJsonAddress(json, string.concat(path, ".token"));
        deal.contentRoot = vm.parseJsonBytes32(json, string.concat(path, ".contentRoot"));
        deal.sizeBytes = uint64(vm.parseJsonUint(json, string.concat(path, ".sizeBytes")));
        deal.startsAt = uint64(vm.parseJsonUint(json, string.concat(path, ".startsAt")));
        deal.expiresAt = uint64(vm.parseJsonUint(json, string.concat(path, ".expiresAt")));
        deal.price = vm.parseJsonUint(json, string.concat(path, ".price"));
        deal.termValue = uint128(vm.parseJsonUint(json, string.concat(path, ".termValue")));
        deal.bond = uint128(vm.parseJsonUint(json, string.concat(path, ".bond")));
        deal.nonce = vm.parseJsonUint(json, string.concat(path, ".nonce"));
    }

    function _receipt(string memory json, string memory path) private pure returns (IFaults.Receipt memory receipt) {
        receipt.job = vm.parseJsonBytes32(json, string.concat(path, ".job"));
        receipt.seq = uint64(vm.parseJsonUint(json, string.concat(path, ".seq")));
        receipt.attempt = uint32(vm.parseJsonUint(json, string.concat(path, ".attempt")));
        receipt.quoteHash = vm.parseJsonBytes32(json, string.concat(path, ".quoteHash"));
        receipt.inputHash = vm.parseJsonBytes32(json, string.concat(path, ".inputHash"));
        receipt.outputRoot = vm.parseJsonBytes32(json, string.concat(path, ".outputRoot"));
        receipt.firstFrame = uint64(vm.parseJsonUint(json, string.concat(path, ".firstFrame")));
        receipt.frames = uint32(vm.parseJsonUint(json, string.concat(path, ".frames")));
        receipt.durationMs = uint32(vm.parseJsonUint(json, string.concat(path, ".durationMs")));
        receipt.sizeBytes = uint64(vm.parseJsonUint(json, string.concat(path, ".sizeBytes")));
    }
}
