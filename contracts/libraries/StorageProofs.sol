// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title SHA-256 trees over stored bytes
/// @notice Leaves are 1 KiB each, the last may be shorter. A leaf hashes as SHA-256(0x00, bytes), an inner node as
/// SHA-256(0x01, left, right), so that neither can be shown for the other; the last node of an odd level rises as it is.
library StorageProofs {
    uint256 internal constant LEAF_BYTES = 1024;

    /// @dev `sizeBytes` is of 64 bits: no sum here overflows.
    function leafCount(uint256 sizeBytes) internal pure returns (uint256) {
        return (sizeBytes + LEAF_BYTES - 1) / LEAF_BYTES;
    }

    function leafSize(uint256 sizeBytes, uint256 leaf) internal pure returns (uint256) {
        uint256 start = leaf * LEAF_BYTES;
        return sizeBytes - start < LEAF_BYTES ? sizeBytes - start : LEAF_BYTES;
    }

    /// @notice The root that a leaf's bytes and its siblings come to; zero for too few or too many siblings.
    /// @dev At most 54 rounds: there are fewer than 2^54 leaves.
    function rootOf(bytes calldata data, uint256 leaf, uint256 count, bytes32[] calldata proof)
        internal
        pure
        returns (bytes32 node)
    {
        node = sha256(abi.encodePacked(bytes1(0x00), data));
        uint256 used = 0;
        uint256 last = count - 1;
        for (uint256 index = leaf; last != 0; index >>= 1) {
            bool isRight = index & 1 == 1;
            if (isRight || index < last) {
                if (used == proof.length) return 0;
                bytes32 sibling = proof[used++];
                node = isRight
                    ? sha256(abi.encodePacked(bytes1(0x01), sibling, node))
                    : sha256(abi.encodePacked(bytes1(0x01), node, sibling));
            }
            last >>= 1;
        }
        if (used != proof.length) return 0;
    }
}
