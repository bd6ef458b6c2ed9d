import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseNetwork, requireDeployed } from "../../../sdk/protocol/network.ts";

const folder = join(import.meta.dirname, "../../../sdk/networks");
const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 5,
  escrow: address("1"),
  operatorRegistry: address("2"),
  clusterRegistry: address("3"),
  accessManager: address("4"),
  stakeToken: address("5"),
  tokens: { USDC: address("6") },
  deployedAtBlock: "7",
};
const whole = {
  name: "somewhere",
  chainId: 5,
  confirmedDepth: 3,
  rpcUrls: ["https://rpc.example/key"],
  tokens: { USDC: address("6") },
  stake: { token: address("5"), minimum: "0" },
  sequencerUptimeFeed: address("8"),
  deployment,
};

function codeOf(json: unknown): string {
  try {
    parseNetwork(json);
    return "";
  } catch (error) {
    const { code, field } = (error as { detail: { code: string; field: string } }).detail;
    return `${code} ${field}`;
  }
}

describe("network files", () => {
  it("that come with the program name official tokens, no endpoint and no contracts", () => {
    const networks = readdirSync(folder).map((file) =>
      parseNetwork(JSON.parse(readFileSync(join(folder, file), "utf8"))),
    );
    assert.deepEqual(
      networks.map(({ name, chainId, rpcUrls, deployment, tokens }) => ({
        name,
        chainId,
        rpcUrls,
        deployment,
        tokens: Object.keys(tokens!),
      })),
      [
        { name: "arbitrum-one", chainId: 42161, rpcUrls: [], deployment: undefined, tokens: ["LPT", "USDC"] },
        { name: "base", chainId: 8453, rpcUrls: [], deployment: undefined, tokens: ["USDC"] },
      ],
    );
    for (const network of networks) {
      assert.throws(() => requireDeployed(network), { code: "NETWORK_NOT_DEPLOYED" });
    }
  });

  it("are read whole", () => {
    const network = parseNetwork(whole);
    assert.equal(requireDeployed(network).deployment.deployedAtBlock, 7n);
    assert.deepEqual(network.stake, { token: address("5"), minimum: 0n });
    assert.deepEqual(parseNetwork({ name: "a", chainId: 1, confirmedDepth: 0 }).rpcUrls, []);
  });

  it("are refused with the field that is wrong", () => {
    const cases: readonly [Record<string, unknown>, string][] = [
      [{ name: "Has Space" }, "name"],
      [{ chainId: 0 }, "chainId"],
      [{ confirmedDepth: -1 }, "confirmedDepth"],
      [{ rpcUrls: ["ftp://rpc"] }, "rpcUrls"],
      [{ rpcUrls: Array(9).fill("http://a") }, "rpcUrls"],
      [{ tokens: { LPT: address("1") } }, "USDC"],
      [{ stake: { token: address("5"), minimum: 0 } }, "stake.minimum"],
      [{ sequencerUptimeFeed: "0x12" }, "sequencerUptimeFeed"],
      [{ dataFee: "optimism" }, "dataFee"],
      [{ rpcUrl: "http://a" }, "rpcUrl"],
      [{ chainId: 6 }, "deployment.chainId"],
      [{ tokens: { USDC: address("9") } }, "deployment.tokens.USDC"],
      [{ stake: { token: address("9"), minimum: "0" } }, "deployment.stakeToken"],
      [{ deployment: { ...deployment, escrow: undefined } }, "escrow"],
    ];
    for (const [fields, field] of cases) assert.equal(codeOf({ ...whole, ...fields }), `NETWORK_INVALID ${field}`);
    assert.equal(codeOf(null), "NETWORK_INVALID ");
  });
});
