import { defineConfig } from "hardhat/config";
import base from "./hardhat.config.ts";

/** Instrumented contracts are larger than a chain takes, and tokens of the tests are not what is measured. */
export default defineConfig({
  ...base,
  coverage: { skipFiles: ["contracts/mocks/**"] },
  networks: { default: { type: "edr-simulated", allowUnlimitedContractSize: true } },
});
