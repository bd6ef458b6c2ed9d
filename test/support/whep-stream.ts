import { EventEmitter } from "node:events";
import { FrameRelay } from "../../node/media/live-frames.ts";
import type { KeptStream } from "../../node/media-io/mp4/whole-file.ts";
import type { AudioConfig, Frame } from "../../sdk/protocol/frame.ts";
import type { RenditionInfo } from "../../sdk/protocol/stream.ts";
import type { CodedTrack } from "./coded-track.ts";

/** A stream whose frames a test hands on by hand; counts what goes out. Nothing of it is kept. */
export class RelayedStream implements KeptStream {
  readonly relay = new FrameRelay();
  /** Tells "follow" and "unfollow". */
  readonly follows = new EventEmitter();
  readonly frames: KeptStream["frames"] = {
    follow: (rung, follower) => {
      const unfollow = this.relay.follow(rung, follower);
      this.#following.add(follower);
      this.follows.emit("follow");
      return () => {
        this.#following.delete(follower);
        unfollow();
        this.follows.emit("unfollow");
      };
    },
    isReordered: (rung) => this.relay.isReordered(rung),
  };
  readonly window = { renditions: [] as RenditionInfo[], ended: false, held: () => [], config: () => undefined };
  readonly counted: { rung: number; sequence: number; pts: number; bytes: number }[] = [];
  guarded?: NonNullable<KeptStream["guarded"]>;
  isUnbudgeted = false;
  readonly #following = new Set<unknown>();

  /** How many follow a rung now. */
  get followed(): number {
    return this.#following.size;
  }

  /** Adds a rung of sound. */
  addSound(rung: number, name: string, config: AudioConfig): void {
    const { codec } = config;
    this.window.renditions.push({ rung, name, kind: "audio", codec, bitrate: 96_000 });
    this.relay.config(rung, 0, config);
  }

  /** Adds a rung of this track. */
  add(rung: number, name: string, { config }: CodedTrack): void {
    const { codec, width, height } = config;
    this.window.renditions.push({ rung, name, kind: "video", codec, family: codec, width, height, bitrate: 500_000 });
    this.relay.config(rung, 0, config);
  }

  /** Hands frames on, moved by so many ticks. */
  pass(rung: number, sequence: number, frames: readonly Frame[], byTicks = 0): void {
    for (const frame of frames) {
      const [dts, pts] = [frame.dts + byTicks, frame.pts + byTicks];
      const duration = frame.kind === "video" ? 3_000 : frame.duration;
      this.relay.frame(rung, sequence, { ...frame, dts, pts, duration, arrivalMs: Date.now() });
    }
  }

  partBytes(): undefined {}

  count(): void {}

  countFrame(rung: number, sequence: number, { pts, data }: Pick<Frame, "pts" | "data">): void {
    this.counted.push({ rung, sequence, pts, bytes: data.length });
  }
}
