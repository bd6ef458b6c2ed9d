// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @notice The few cheatcodes of the test runner that these tests use.
interface Vm {
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonKeys(string calldata json, string calldata key) external pure returns (string[] memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function toString(uint256 value) external pure returns (string memory);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 privateKey) external pure returns (address);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function deal(address account, uint256 balance) external;
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
}

abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error TestDiffers(bytes32 found, bytes32 wanted);

    function assertTrue(bool value) internal pure {
        if (!value) revert TestDiffers(0, bytes32(uint256(1)));
    }

    function assertEq(bytes32 found, bytes32 wanted) internal pure {
        if (found != wanted) revert TestDiffers(found, wanted);
    }

    function assertEq(uint256 found, uint256 wanted) internal pure {
        assertEq(bytes32(found), bytes32(wanted));
    }

    function assertEq(address found, address wanted) internal pure {
        assertEq(uint256(uint160(found)), uint256(uint160(wanted)));
    }

    /// @notice A value in the range, from any random one.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
