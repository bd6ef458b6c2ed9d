import { setTimeout as sleep } from "node:timers/promises";
import { PublishError } from "@leat/transcoder/tools/publish-error.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { type FlvFile, readFlv } from "./flv-file.ts";

/** Publishers by RTMP, as a process of their own. Argument: JSON of `PublishersArguments`; told "stop". */
export interface PublishersArguments {
  /** An FLV file that each of them sends over and over, in real time. */
  readonly file: string;
  readonly urls: readonly string[];
}

/** Publishers come one after the other, so that their key frames do not fall together. */
const JOIN_EVERY_MS = 370;
const TICK_MS = 5;
const TRIES = 10;
const RETRY_MS = 1_000;

/** One camera: what is due goes out, and not before. */
class Camera {
  readonly #file: FlvFile;
  readonly #publisher: RtmpPublisher;
  readonly #startedAt = performance.now();
  #isFull = false;
  #round = 0;
  #next = 0;

  private constructor(file: FlvFile, publisher: RtmpPublisher) {
    this.#file = file;
    this.#publisher = publisher;
  }

  static async join(file: FlvFile, url: string): Promise<Camera> {
    const publisher = await open(url);
    for (const { type, body } of file.headers) void publisher.send(type, 0, body);
    return new Camera(file, publisher);
  }

  sendDue(now: number): void {
    const { frames, durationMs } = this.#file;
    if (this.#publisher.failed) throw this.#publisher.failed;
    // A server that does not keep up gets the rest when it does, in a burst.
    while (!this.#isFull) {
      const { type, timeMs, body } = frames[this.#next]!;
      const dueMs = timeMs + this.#round * durationMs;
      if (this.#startedAt + dueMs > now) return;
      this.#isFull = true;
      void this.#publisher.send(type, dueMs, body).then(
        () => {
          this.#isFull = false;
        },
        () => {},
      );
      this.#next += 1;
      if (this.#next < frames.length) continue;
      this.#next = 0;
      this.#round += 1;
    }
  }

  leave(): Promise<void> {
    return this.#publisher.unpublish();
  }
}

/** As publishing programs do, where a server has much to do. */
async function open(url: string): Promise<RtmpPublisher> {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await RtmpPublisher.open(url);
    } catch (error) {
      if (left === 0 || !(error instanceof PublishError)) throw error;
      await sleep(RETRY_MS);
    }
  }
}

const given = JSON.parse(process.argv[2]!) as PublishersArguments;
const file = readFlv(given.file);
const cameras: Camera[] = [];
const ticking = setInterval(() => {
  const now = performance.now();
  for (const camera of cameras) camera.sendDue(now);
}, TICK_MS);
process.on("message", () => {
  clearInterval(ticking);
  void Promise.allSettled(cameras.map((camera) => camera.leave())).then(() => process.exit());
});
process.on("disconnect", () => process.exit());
for (const url of given.urls) {
  cameras.push(await Camera.join(file, url));
  await sleep(JOIN_EVERY_MS);
}
process.send!("ready");
