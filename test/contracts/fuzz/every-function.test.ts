import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clusterRegistryAbi } from "../../../sdk/protocol/abi/cluster-registry.ts";
import { faultsAbi } from "../../../sdk/protocol/abi/faults.ts";
import { operatorRegistryAbi } from "../../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";

interface AbiItem {
  readonly type: string;
  readonly name?: string;
  readonly stateMutability?: string;
}

const contracts: Readonly<Record<string, readonly AbiItem[]>> = {
  PaymentEscrow: paymentEscrowAbi,
  OperatorRegistry: operatorRegistryAbi,
  ClusterRegistry: clusterRegistryAbi,
  Faults: faultsAbi,
};

function namesOfChanges(abi: readonly AbiItem[]): (string | undefined)[] {
  const changes = abi.filter(
    ({ type, stateMutability }) =>
      type === "function" && (stateMutability === "nonpayable" || stateMutability === "payable"),
  );
  return changes.map(({ name }) => name).toSorted();
}

describe("Fuzz tests of contracts", () => {
  for (const [contract, abi] of Object.entries(contracts)) {
    it(`${contract}: each function that changes something has one of its name, and no other has`, () => {
      const source = readFileSync(join(import.meta.dirname, `${contract}.t.sol`), "utf8");
      const tested = [...source.matchAll(/\bfunction testFuzz_(\w+)\(/g)].map(([, name]) => name);
      assert.deepEqual(tested.toSorted(), namesOfChanges(abi));
    });
  }
});
