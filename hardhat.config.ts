import { createRequire } from "node:module";
import hardhatMocha from "@nomicfoundation/hardhat-mocha";
import hardhatViem from "@nomicfoundation/hardhat-viem";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

const fsPermissions = {
  readFile: ["statements", "merkle", "clusters", "faults"].map((name) => `./test/vectors/${name}.json`),
};

export default defineConfig({
  plugins: [hardhatViem, hardhatMocha],
  paths: {
    sources: "./contracts",
    tests: { mocha: "./test/contracts", solidity: "./test/contracts" },
    artifacts: "./artifacts",
    cache: "./cache",
  },
  test: {
    solidity: {
      profiles: {
        default: { fsPermissions, invariant: { runs: 24, depth: 250, failOnRevert: true } },
        // More than half a million calls in all invariants together: `scripts/test --long`.
        long: { fsPermissions, invariant: { runs: 1_200, depth: 250, failOnRevert: true } },
      },
    },
  },
  solidity: {
    // Deployed as they are: their artifacts are needed though no contract of ours imports them.
    npmFilesToBuild: ["@openzeppelin/contracts/access/manager/AccessManager.sol"],
    compilers: [
      {
        version: "0.8.37",
        // The compiler comes from npm, so that a build never downloads a binary.
        path: require.resolve("solc/soljson.js"),
        settings: {
          optimizer: { enabled: true, runs: 10_000_000 },
          viaIR: true,
          evmVersion: "cancun",
          outputSelection: { "*": { "*": ["storageLayout"] } },
        },
      },
    ],
  },
});
