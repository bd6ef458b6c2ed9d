import { once } from "node:events";
import { request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import type { Database } from "@leat/node/store/database.ts";
import { PrepaidStore } from "@leat/node/store/prepaid.ts";
import type { LevelVoucherStore } from "@leat/node/store/vouchers.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { TestStream } from "./hls-stream.ts";
import { type MoneyMarket, openMarket } from "./money-market.ts";
import { startX402Node, type X402Node, type X402NodeOptions } from "./x402-scene.ts";

const renditions: RenditionInfo[] = [
  { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", width: 320, height: 240, bitrate: 300_000 },
];
/** Larger than what the operating system holds for a reader that does not read. */
export const LARGE_BYTES = 64 * 2 ** 20;

type Changes = Partial<Omit<X402NodeOptions, "stream" | "database" | "vouchers">>;

/** A market on a real chain, real media, and nodes with the door open; nodes are new for each test, their store too. */
export function useX402() {
  let track: { config: TrackConfig; frames: Frame[] };
  let viewers = 100;
  let stores = 0;
  const nodes: X402Node[] = [];
  const closing: (() => Promise<unknown>)[] = [];

  before(async function () {
    this.timeout(120_000);
    const pattern = { width: 320, height: 240, fps: 30, durationS: 6, keyframeEveryS: 2, videoBitrate: 300_000 };
    const items = await readMedia({ pattern });
    const configs = items.flatMap((item) => (item.type === "config" ? [item.config] : []));
    const frames = items.flatMap((item) => (item.type === "frame" && item.frame.kind === "video" ? [item.frame] : []));
    track = { config: configs.find(({ kind }) => kind === "video")!, frames };
    scene.market = await openMarket({ USDC: 10_000_000n, LPT: 1n });
  });
  after(async () => {
    await scene.market?.close();
  });

  beforeEach(async () => {
    stores += 1;
    ({ database: scene.database, vouchers: scene.vouchers } = await scene.market.openStore(`x402-${stores}`));
    scene.stream = new TestStream();
    scene.stream.isUnbudgeted = true;
    scene.stream.window.describe(renditions);
    scene.stream.addTrack(1, track, [0, 2, 4]);
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
    for (const close of closing.splice(0)) await close();
  });

  const scene = {
    market: undefined as unknown as MoneyMarket,
    database: undefined as unknown as Database,
    vouchers: undefined as unknown as LevelVoucherStore,
    stream: undefined as unknown as TestStream,

    async newViewer(usdc: bigint): Promise<NodeKey> {
      viewers += 1;
      const key = await scene.market.anvil.key(viewers);
      await scene.market.anvil.mint(scene.market.anvil.deployment.tokens.USDC, key.address, usdc);
      return key;
    },

    async start(changes: Changes = {}): Promise<X402Node> {
      const { stream, database, vouchers } = scene;
      const node = await startX402Node(scene.market, { stream, database, vouchers, ...changes });
      nodes.push(node);
      return node;
    },

    /** Starts a node and waits until its first look at what is open is over: at its end it drops tokens that ended. */
    async startAndLook(changes: Changes = {}): Promise<X402Node> {
      const store = new PrepaidStore(scene.database, scene.market.anvil.deployment.tokens.USDC);
      await store.putToken({ id: "ended", payer: scene.market.account, secretHash: zeroHash, expiresAt: 0 }, 1);
      const node = await scene.start(changes);
      await scene.until(async () => (await store.token("ended")) === undefined);
      return node;
    },

    /** A node whose line to the chain can be cut. */
    async startBehindProxy() {
      const target = new URL(scene.market.anvil.rpcUrl);
      const sockets = new Set<Socket>();
      let isCut = false;
      const proxy = createServer((from) => {
        if (isCut) {
          from.destroy();
          return;
        }
        const to = connect(Number(target.port), target.hostname);
        for (const [one, other] of [
          [from, to],
          [to, from],
        ] as const) {
          sockets.add(one);
          one
            .on("error", () => other.destroy())
            .on("close", () => {
              sockets.delete(one);
              other.destroy();
            });
          one.pipe(other);
        }
      });
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      closing.push(async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => proxy.close(resolve));
      });
      const { port } = proxy.address() as { port: number };
      return {
        node: await scene.start({ rpcUrl: `http://127.0.0.1:${port}` }),
        async cut() {
          isCut = true;
          for (const socket of sockets) socket.destroy();
        },
        async mend() {
          isCut = false;
        },
      };
    },

    /** Adds a large segment 9, asks for it with a token and leaves after the first bytes. */
    async hangUpHalfWay(url: string, token: string): Promise<void> {
      const bytes = new Uint8Array(LARGE_BYTES);
      const part = {
        index: 0,
        bytes,
        frames: 1,
        pixels: 1,
        durationTicks: 30_000,
        startTicks: 0,
        independent: true,
        headSizeBytes: 1,
      };
      scene.stream.addSegment(1, 9, [part], 30_000);
      const asked = request(url, { headers: { authorization: `Bearer ${token}` } }).end();
      const [answer] = await once(asked, "response");
      await once(answer, "readable");
      answer.destroy();
    },

    /** Asks again, a turn of the event loop later, until it holds; the test's own time limit ends it. */
    async until(holds: () => Promise<boolean>): Promise<void> {
      while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return scene;
}
