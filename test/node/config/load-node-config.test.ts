import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNodeConfig } from "@leat/node/config/load-node-config.ts";

describe("config/load-node-config", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "leat-network-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("puts the network's file above the defaults and below everything else", () => {
    const [network, file] = [join(folder, "network.json"), join(folder, "leat.json")];
    const rpcUrls = ["http://127.0.0.1:1"];
    writeFileSync(network, JSON.stringify({ name: "here", chainId: 1, confirmedDepth: 9, rpcUrls }));
    writeFileSync(file, JSON.stringify({ node: { networkFile: network }, chain: { confirmedDepth: 5 } }));
    const plain = loadNodeConfig({ argv: [`--node.networkFile=${network}`] });
    assert.equal(plain.values.chain.confirmedDepth, 9);
    assert.deepEqual(plain.origins["chain.rpcUrls"], { source: "network", name: network });
    assert.deepEqual(plain.origins["balancer.minimumStake"], { source: "default", name: "" });
    const { values, origins } = loadNodeConfig({ file, env: { LEAT_CHAIN_RPC_URLS: "http://127.0.0.1:2" } });
    assert.equal(values.chain.confirmedDepth, 5);
    assert.deepEqual(values.chain.rpcUrls, ["http://127.0.0.1:2"]);
    assert.deepEqual(origins["chain.confirmedDepth"], { source: "file", name: file });
  });

  it("knows the networks that come with the program, and asks no stake where there is none to be had", () => {
    const { values } = loadNodeConfig({ argv: ["--node.networkFile", "base"] });
    assert.equal(values.balancer.minimumStake, "0");
    assert.equal(values.chain.dataFee, "op-stack");
    assert.deepEqual(values.chain.rpcUrls, []);
    assert.notEqual(loadNodeConfig({ argv: ["--node.networkFile", "arbitrum-one"] }).values.balancer.minimumStake, "0");
  });

  it("says what a setting is for where it takes text of a pattern", () => {
    assert.throws(
      () => loadNodeConfig({ argv: ["--chain.rpcUrls", "ftp://x"] }),
      ({ message }: Error) =>
        /^--chain\.rpcUrls\[0\] is "ftp:\/\/x", wanted is text like .* \(JSON-RPC endpoints of the chain/.test(message),
    );
  });

  it("refuses a network that cannot be read", () => {
    const missing = join(folder, "none.json");
    assert.throws(() => loadNodeConfig({ argv: ["--node.networkFile", missing] }), { code: "CONFIG_FILE_UNREADABLE" });
    writeFileSync(missing, "{}");
    assert.throws(
      () => loadNodeConfig({ argv: ["--node.networkFile", missing] }),
      ({ code, message }: Error & { code: string }) =>
        code === "NETWORK_INVALID" && message.startsWith(`name in ${missing} is missing, wanted is `),
    );
    assert.throws(
      () => loadNodeConfig({ argv: ["--node.networkFile", "nowhere"] }),
      ({ detail }: Error & { detail: unknown }) => {
        assert.deepEqual(detail, { code: "CONFIG_NETWORK_UNKNOWN", name: "nowhere", known: "arbitrum-one, base" });
        return true;
      },
    );
  });
});
