// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title Hashing of vouchers and channels
/// @notice One buffer holds a voucher in EIP-712 order. The channel's five fields follow each other in it, so that both
/// hashes come from one write: the channel is words 1 to 5, the voucher all nine.
library Vouchers {
    bytes32 internal constant TYPE_HASH = keccak256(
        "Voucher(address payer,address payee,address token,uint256 cluster,uint32 clusterPpm,uint128 cumulative,uint64 seq,bytes32 usageRoot)"
    );

    /// @notice A buffer for vouchers to one payee; the payer and what it signed are filled in per claim.
    function open(address payee_, address token_, uint256 cluster_, uint32 clusterPpm_)
        internal
        pure
        returns (uint256[9] memory words)
    {
        words[0] = uint256(TYPE_HASH);
        words[2] = uint160(payee_);
        words[3] = uint160(token_);
        words[4] = cluster_;
        words[5] = clusterPpm_;
    }

    /// @param total `cumulative << 64 | seq`; what stands above its 192 bits is no part of a voucher
    function fill(uint256[9] memory words, address payer_, uint256 total, bytes32 usageRoot_) internal pure {
        words[1] = uint160(payer_);
        words[6] = uint128(total >> 64);
        words[7] = uint64(total);
        words[8] = uint256(usageRoot_);
    }

    /// @notice keccak256(abi.encode(payer, payee, token, cluster, clusterPpm))
    function channelId(uint256[9] memory words) internal pure returns (bytes32 id) {
        // Safe: reads words 1 to 5 of a buffer of nine, writes nothing.
        assembly ("memory-safe") {
            id := keccak256(add(words, 0x20), 0xa0)
        }
    }

    /// @notice hashStruct of the voucher.
    function structHash(uint256[9] memory words) internal pure returns (bytes32 hash) {
        // Safe: reads the whole buffer, writes nothing.
        assembly ("memory-safe") {
            hash := keccak256(words, 0x120)
        }
    }

    function payer(uint256[9] memory words) internal pure returns (address) {
        return address(uint160(words[1]));
    }

    function payee(uint256[9] memory words) internal pure returns (address) {
        return address(uint160(words[2]));
    }

    function token(uint256[9] memory words) internal pure returns (address) {
        return address(uint160(words[3]));
    }

    function cluster(uint256[9] memory words) internal pure returns (uint256) {
        return words[4];
    }

    function clusterPpm(uint256[9] memory words) internal pure returns (uint256) {
        return words[5];
    }

    function cumulative(uint256[9] memory words) internal pure returns (uint256) {
        return words[6];
    }
}
