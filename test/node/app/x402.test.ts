import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode, type LeatNode } from "@leat/node/app/node.ts";
import { createPlaybackDoor } from "@leat/node/app/x402.ts";
import { loadConfig } from "@leat/node/config/load-config.ts";
import { sections } from "@leat/node/config/sections.ts";
import type { X402Door } from "@leat/node/http/plugins/x402.ts";
import type { HlsStream } from "@leat/node/media-io/hls/stream.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { Prices } from "@leat/sdk/protocol/job.ts";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import { CONFIRMED_DEPTH, type MoneyMarket, openMarket } from "../../support/money-market.ts";
import { payingFetch, usdcOf } from "../../support/x402-scene.ts";

describe("a whole node with its x402 door open", function () {
  this.timeout(180_000);
  let folder: string;
  let market: MoneyMarket;
  let node: LeatNode | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-x402-"));
    market = await openMarket({ USDC: 1n, LPT: 1n });
  });
  after(async () => {
    await node?.stop();
    await market?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const settingsOf = (prices: object, tokenCosts: object[]) => ({
    node: {
      roles: ["transcode", "delivery"],
      dataDir: join(folder, "data"),
      keyFile: join(folder, "node.key"),
      networkFile: join(folder, "network.json"),
    },
    http: { port: 0 },
    chain: { rpcUrls: [market.anvil.rpcUrl], confirmedDepth: CONFIRMED_DEPTH, pollMs: 50 },
    sales: { prices: [{ token: "USDC", ...prices }] },
    log: { level: "error" },
    x402: { enabled: true, transcodes: true },
    settlement: { tokenCosts },
  });
  const usdcCost = (perNative: string) => ({ token: "USDC", perNative, leastAmount: "0.01" });
  const load = async (prices: object, tokenCosts: object[] = [usdcCost("1"), { ...usdcCost("0"), token: "LPT" }]) => {
    const file = join(folder, "settings.json");
    await writeFile(file, JSON.stringify(settingsOf(prices, tokenCosts)));
    return loadConfig({ sections, file }).values;
  };

  it("does not open where it has no price to ask", () => {
    const token = market.anvil.deployment.tokens.USDC;
    const open = (prices: Prices) =>
      createPlaybackDoor({} as X402Door, new Map([[token, prices]]), { token, playback: "all" });
    assert.throws(() => open({ pixelH264: 1n }), { code: "X402_PRICE_MISSING" });
    assert.equal(open({ deliveredByte: 1n })?.isPaid({} as HlsStream), true);
  });

  const writeNetwork = async () => {
    await writeFile(join(folder, "node.key"), `${bytesToHex(market.node.secret)}\n`, { mode: 0o600 });
    const { chainId, ...deployment } = market.anvil.deployment;
    const network = { name: "test", chainId, rpcUrls: [market.anvil.rpcUrl], confirmedDepth: CONFIRMED_DEPTH };
    const text = JSON.stringify({ ...network, deployment: { ...deployment, chainId } }, (_, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value,
    );
    await writeFile(join(folder, "network.json"), text);
  };

  it("does not start where it is not told what gas costs in every token, and does not open without a price", async () => {
    await writeNetwork();
    const lptCost = { ...usdcCost("1"), token: "LPT" };
    const refused: [("delivery" | "watchtower")[], object[], string][] = [
      [["delivery"], [], "TOKEN_COST_MISSING"],
      [["watchtower"], [], "TOKEN_COST_MISSING"],
      [["delivery"], [usdcCost("1")], "TOKEN_COST_MISSING"],
      [["delivery"], [usdcCost("3000.1234567"), lptCost], "TOKEN_COST_TOO_FINE"],
      [["delivery"], [usdcCost("0"), lptCost], "X402_TOKEN_COST_MISSING"],
    ];
    for (const [index, [roles, tokenCosts, code]] of refused.entries()) {
      const settings = await load({ deliveredByte: "0.000001" }, tokenCosts);
      const own = { ...settings, node: { ...settings.node, roles, dataDir: join(folder, `refused-${index}`) } };
      await assert.rejects(createNode(own), { code });
    }
  });

  it("is paid by the public client for a job, from its settings file on", async () => {
    await writeNetwork();
    node = await createNode(await load({ pixelH264: "0.00000001", deliveredByte: "0.000001" }));
    await node.start();
    const viewer = await market.anvil.key(300);
    await market.anvil.mint(market.anvil.deployment.tokens.USDC, viewer.address, 1_000_000n);
    const source = join(folder, "source.flv");
    await writePattern(source, { width: 320, height: 240, fps: 15, durationS: 1 });
    const ladder = [{ name: "120p", codec: "h264", height: 120, videoBitrate: 100_000, audioBitrate: 32_000 }];
    const query = { width: "320", height: "240", fps: "15", seconds: "1", ladder: JSON.stringify(ladder) };
    const { port } = node.foundation.http.server.address() as { port: number };
    const url = `http://127.0.0.1:${port}/v1/transcodes?${new URLSearchParams(query)}`;
    const body = Buffer.from(await readFile(source));
    const answer = await payingFetch(market, viewer)(url, { method: "POST", body });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { pixels: string }).pixels, String(15 * 160 * 120));
    assert.equal(await usdcOf(market, market.node.address), 1_000_000n);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(metrics, /^leat_prepaid_payments_settled_total 1$/m);
  });
});
