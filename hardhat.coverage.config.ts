import { defineConfig } from "hardhat/config";
import base from "./hardhat.config.ts";

const compilers = base.solidity.compilers.map((compiler) => ({
  ...compiler,
  settings: {
    ...compiler.settings,
    // Only what the way through the intermediate code needs to find room on the stack: nothing here measures gas.
    optimizer: {
      enabled: true,
      details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "u" } },
    },
  },
}));

/** Instrumented contracts are larger than a chain takes, and tokens of the tests are not what is measured. */
export default defineConfig({
  ...base,
  solidity: { ...base.solidity, compilers },
  coverage: { skipFiles: ["contracts/mocks/**"] },
  networks: { default: { type: "edr-simulated", allowUnlimitedContractSize: true } },
});
