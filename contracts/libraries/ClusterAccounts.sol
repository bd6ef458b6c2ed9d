// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

/// @title The account of a cluster
library ClusterAccounts {
    /// @notice An address bound to a cluster's id. It has no key and no code; the escrow alone lets it act.
    function accountOf(uint256 cluster) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("leat.cluster", cluster)))));
    }
}
