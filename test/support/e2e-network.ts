import { randomInt } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../../node/kernel/make-folder.ts";
import type { NodeName } from "../../scripts/network/layout.ts";
import { LocalNetwork, type LocalNetworkOptions } from "../../scripts/network/local-network.ts";
import type { NetworkError } from "../../scripts/network/options.ts";
import { portsPerNetwork } from "../../scripts/network/options.ts";
import type { LadderRequest } from "../../sdk/protocol/job.ts";
import { type StreamStart, TestStream } from "./e2e-stream.ts";
import { copyEmptyDatabase } from "./empty-database.ts";

/** Two families of two rungs, small enough that a network, a publisher and a judge share two cores. */
export const testLadder: LadderRequest = [
  { name: "360p", codec: "h264", height: 360, videoBitrate: 700_000, audioBitrate: 96_000 },
  { name: "180p", codec: "h264", height: 180, videoBitrate: 250_000, audioBitrate: 64_000 },
  { name: "240p-vp9", codec: "vp9", height: 240, videoBitrate: 350_000, audioBitrate: 64_000 },
  { name: "180p-vp9", codec: "vp9", height: 180, videoBitrate: 250_000, audioBitrate: 64_000 },
];

/** What the first network of this process found of this machine's encoders, as its nodes keep it. */
let encodersFile: string | undefined;

/** A real network of processes in a folder and on ports of its own, gone after the test whatever happened. */
export class TestNetwork extends LocalNetwork {
  readonly dataDir: string;
  readonly #streams: TestStream[] = [];

  private constructor(options: LocalNetworkOptions) {
    super(options);
    this.dataDir = options.dataDir;
  }

  /** @param unexpected Hears of a process that ended although nobody stopped or killed it. */
  static async start(
    options: Pick<LocalNetworkOptions, "adjust" | "programOf" | "networkFile" | "caps"> = {},
    unexpected: (error: NetworkError) => void = reportExit,
  ): Promise<TestNetwork> {
    const dataDir = await mkdtemp(join(tmpdir(), "leat-e2e-"));
    const network = new TestNetwork({ dataDir, portBase: await findPorts(), onExit: unexpected, ...options });
    try {
      await network.#prepare();
      await network.start();
      encodersFile ??= await readFile(network.#encodersFileOf("node-b"), "utf8").catch(() => undefined);
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** What takes a new network's processors longest was done before: an empty database, and a look at all encoders. */
  async #prepare(): Promise<void> {
    const { dir } = this.place("balancer");
    await makeFolder(dir, 0o700);
    await copyEmptyDatabase(join(dir, "sql"));
    if (encodersFile === undefined) return;
    for (const name of ["node-b", "node-c"] as const) {
      await makeFolder(this.place(name).dir, 0o700);
      await writeFile(this.#encodersFileOf(name), encodersFile);
    }
  }

  #encodersFileOf(name: NodeName): string {
    return join(this.place(name).dir, "encoders.json");
  }

  /** Makes a stream and publishes it. */
  async publish(start: StreamStart): Promise<TestStream> {
    const stream = await TestStream.start(this, start);
    this.#streams.push(stream);
    return stream;
  }

  /** How many lines of a node's log hold these words. */
  async countLogged(name: NodeName, words: string): Promise<number> {
    const text = await readFile(join(this.dataDir, "logs", `${name}.log`), "utf8");
    return text.split("\n").filter((line) => line.includes(words)).length;
  }

  override async stop(): Promise<void> {
    await Promise.all(this.#streams.splice(0).map((stream) => stream.close()));
    await super.stop();
    // Kept on demand, to read the logs of a network that failed.
    if (process.env.KEEP_E2E_DATA === undefined) await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** The first of as many ports as a network takes that nobody listens on. */
export async function findPorts(): Promise<number> {
  for (;;) {
    // Below the range from which systems give out ports by themselves.
    const base = 12_000 + portsPerNetwork * randomInt(300);
    const offsets = [0, ...[0, 1, 2, 3, 4].flatMap((node) => [1, 2, 3].map((port) => node * 10 + port))];
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function reportExit(error: NetworkError): void {
  process.stderr.write(`${error.message} ${JSON.stringify(error.detail)}\n`);
}
