import { setTimeout as sleep } from "node:timers/promises";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { isCoded } from "../errors.ts";
import { encodeMessage, MessageReader } from "../ipc.ts";
import { FlvWriter } from "./flv.ts";
import type { TimedItem } from "./playlist-source.ts";
import { openPlaylist } from "./playlist-source.ts";
import type { PublishErrorDetail } from "./publish-error.ts";
import { PublishError } from "./publish-error.ts";
import type { FromPublisher, PublishConnection, PublishOptions, PublishReport, ToPublisher } from "./publisher.ts";
import { RtmpPublisher } from "./rtmp-client.ts";

const RETRY_MS = 500;
const RECONNECT_LIMIT_MS = 30_000;

/** Where a stalled event loop or a slow source is this late, frames count as missed rather than sent in a burst. */
const LATE_LIMIT_MS = 250;

type Ending = "stop" | "abort";

class Publication {
  readonly #options: PublishOptions;
  readonly #urls: readonly string[];
  readonly #canReconnect: boolean;
  readonly #configs = new Map<TrackConfig["kind"], TrackConfig>();
  readonly #connections: PublishConnection[] = [];
  readonly #refusals: PublishErrorDetail[] = [];
  readonly #stopping = new AbortController();
  #urlIndex = 0;
  #ending: Ending | undefined;
  #connection: RtmpPublisher | undefined;
  #writer = new FlvWriter();
  /** The due time that the connection's clock starts at. */
  #startMs = 0;
  #awaitsKey = true;
  #skipped = 0;
  #video = 0;
  #audio = 0;
  #firstAt: number | null = null;
  #lastAt: number | null = null;
  #lastTimeMs: number | null = null;

  constructor(options: PublishOptions) {
    this.#options = options;
    this.#urls = options.urls ?? (options.url === undefined ? [] : [options.url]);
    this.#canReconnect = options.reconnect ?? this.#urls.length > 1;
  }

  endBy(ending: Ending): void {
    this.#ending ??= ending;
    if (ending === "abort") this.#connection?.abort();
    this.#stopping.abort();
  }

  disconnect(): void {
    this.#connection?.abort();
  }

  async run(): Promise<PublishReport> {
    await this.#connect(this.#urls.length);
    send({ type: "started" });
    const startedAt = performance.now();
    for (const timed of openPlaylist(this.#options.inputs, this.#options.loop ?? false)) {
      if (this.#ending) break;
      if (this.#options.realtime ?? true) await this.#waitUntil(startedAt + timed.dueMs);
      if (this.#ending) break;
      await this.#deliver(timed, performance.now() - startedAt);
    }
    if (this.#ending === "abort") this.#connection?.abort();
    else await this.#connection?.unpublish();
    return this.#report();
  }

  async #waitUntil(due: number): Promise<void> {
    const pauseMs = due - performance.now();
    if (pauseMs > 1) await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  async #deliver(timed: TimedItem, nowMs: number): Promise<void> {
    try {
      await this.#send(timed, nowMs);
    } catch (error) {
      if (!(error instanceof PublishError) || this.#ending) throw error;
      if (!this.#canReconnect) throw error;
      this.#noteLoss();
      this.#urlIndex += 1;
      await this.#connect(Infinity);
    }
  }

  async #send(timed: TimedItem, nowMs: number): Promise<void> {
    const { item } = timed;
    if (item.type === "config") {
      this.#configs.set(item.config.kind, item.config);
      if (!this.#awaitsKey) await this.#sendTags(timed);
      return;
    }
    const { kind, key } = item.frame;
    if (this.#awaitsKey) {
      // After a loss the source has gone on without us, and a decoder can only start at a key frame.
      const isMissed =
        this.#connections.length > 1 && nowMs - timed.dueMs > LATE_LIMIT_MS && this.#options.realtime !== false;
      if (kind !== "video" || !key || isMissed) {
        if (kind === "video") this.#skipped += 1;
        return;
      }
      await this.#begin(timed);
    }
    await this.#sendTags(timed);
    if (kind === "video") this.#video += 1;
    else this.#audio += 1;
    this.#countConnection(kind === "video" ? 1 : 0);
    this.#firstAt ??= Date.now();
    this.#lastAt = Date.now();
  }

  /** Each connection has a clock of its own that starts at 0, as publishers' do. */
  async #begin(timed: TimedItem): Promise<void> {
    this.#awaitsKey = false;
    this.#writer = new FlvWriter();
    this.#startMs = this.#connections.length > 1 ? timed.dueMs : 0;
    for (const config of this.#configs.values()) {
      await this.#sendTags({ ...timed, item: { type: "config", config } });
    }
    const last = this.#connections.at(-1)!;
    this.#connections[this.#connections.length - 1] = { ...last, skippedBefore: this.#skipped };
    this.#skipped = 0;
  }

  async #sendTags({ item, offsetMs }: TimedItem): Promise<void> {
    for (const tag of this.#writer.write(item, offsetMs - this.#startMs)) {
      await this.#connection!.send(tag.type, tag.timeMs, tag.body);
      this.#lastTimeMs = tag.timeMs;
    }
  }

  async #connect(attempts: number): Promise<void> {
    const limit = performance.now() + RECONNECT_LIMIT_MS;
    let last: PublishError | undefined;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (this.#ending) throw last ?? new PublishError({ code: "PUBLISH_LOST", reason: "ended" });
      const urlIndex = this.#urlIndex % this.#urls.length;
      try {
        this.#connection = await RtmpPublisher.open(this.#urls[urlIndex]!);
        const connectedAtMs = Date.now();
        this.#connections.push({ urlIndex, connectedAtMs, videoFrames: 0, skippedBefore: 0, lostAtMs: null });
        this.#awaitsKey = true;
        return;
      } catch (error) {
        if (!(error instanceof PublishError)) throw error;
        last = error;
        this.#refusals.push(error.detail);
        this.#urlIndex += 1;
        if (performance.now() > limit) break;
        // Every address was asked: they get a moment before the next round.
        if (attempts === Infinity && this.#urlIndex % this.#urls.length === 0) await sleep(RETRY_MS);
      }
    }
    throw last ?? new PublishError({ code: "PUBLISH_URL_INVALID", url: "" });
  }

  #countConnection(video: number): void {
    const last = this.#connections.at(-1);
    if (last) this.#connections[this.#connections.length - 1] = { ...last, videoFrames: last.videoFrames + video };
  }

  #noteLoss(): void {
    const last = this.#connections.at(-1);
    if (last) this.#connections[this.#connections.length - 1] = { ...last, lostAtMs: Date.now() };
  }

  #report(): PublishReport {
    return {
      videoFrames: this.#video,
      audioFrames: this.#audio,
      firstFrameAtMs: this.#firstAt,
      lastFrameAtMs: this.#lastAt,
      lastTimeMs: this.#lastTimeMs,
      connections: this.#connections,
      refusals: this.#refusals,
    };
  }

  /** An error after `abort` was asked for is what was asked for. */
  reportIfEnding(): PublishReport | undefined {
    return this.#ending ? this.#report() : undefined;
  }
}

const reader = new MessageReader();
let publication: Publication | undefined;

function send(message: FromPublisher): void {
  process.stdout.write(encodeMessage(message));
}

async function start(options: PublishOptions): Promise<void> {
  const current = new Publication(options);
  publication = current;
  try {
    send({ type: "finished", report: await current.run() });
  } catch (error) {
    const report = current.reportIfEnding();
    if (report && error instanceof PublishError) return send({ type: "finished", report });
    const detail = describeError(error);
    // An open connection would keep this process, and whoever waits for its end.
    current.disconnect();
    send({ type: "error", detail });
    process.exitCode = 2;
    process.stdin.destroy();
  }
}

function describeError(error: unknown): PublishErrorDetail {
  if (error instanceof PublishError) return error.detail;
  if (isCoded(error)) return { code: "PUBLISH_INPUT_FAILED", cause: error.detail };
  throw error;
}

process.stdin.on("data", (chunk: Buffer) => {
  for (const raw of reader.push(chunk)) {
    const message = raw as ToPublisher;
    if (message.type === "start") void start(message.options);
    else if (message.type === "disconnect") publication?.disconnect();
    else publication?.endBy(message.type);
  }
});
process.stdin.on("end", () => process.exit());
