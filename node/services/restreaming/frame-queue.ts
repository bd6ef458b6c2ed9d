import type { ChosenTracks } from "@leat/node/media-io/playout/choose-tracks.ts";
import { ContinuousClock, type PlacedTime } from "@leat/node/media-io/playout/continuous-clock.ts";
import type { SentFrame } from "@leat/node/media-io/playout/piece.ts";
import type { PlayedStream, StreamFollower } from "@leat/node/media-io/playout/stream.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";

/** A frame to be sent, on a clock that begins at zero, with what describes it. */
export interface QueuedFrame extends SentFrame {
  readonly config: TrackConfig;
  readonly placed: PlacedTime;
}

/** A server this far behind gets the next key frame instead of what is late. */
const LONGEST_WAIT_MS = 2_000;
const MAX_QUEUED_BYTES = 8_388_608;

/** A stream's rungs as they come, in bounds, for one who takes them at its own pace. Begins with a key frame. */
export class FrameQueue {
  readonly #nowMs: () => number;
  readonly #clock = new ContinuousClock();
  readonly #configs = new Map<number, TrackConfig>();
  readonly #hasPictures: boolean;
  readonly #unfollow: (() => void)[] = [];
  #queue: { readonly frame: QueuedFrame; readonly queuedMs: number }[] = [];
  #bytes = 0;
  #needsKey: boolean;
  #needsEntry: boolean;
  #beginning = true;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(stream: Pick<PlayedStream, "frames">, tracks: ChosenTracks, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#hasPictures = tracks.video !== undefined;
    this.#needsKey = this.#hasPictures;
    this.#needsEntry = this.#hasPictures;
    for (const rung of [tracks.video, tracks.audio]) {
      if (rung !== undefined) this.#unfollow.push(stream.frames.follow(rung, this.#followerOf(rung)));
    }
    this.#beginning = false;
  }

  /** The next frame; undefined when the stream is over, or the signal aborts. */
  async take(signal: AbortSignal): Promise<QueuedFrame | undefined> {
    const wake = () => this.#wake?.();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (this.#queue.length === 0 && !this.#over && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
    const next = signal.aborted ? undefined : this.#queue.shift();
    this.#bytes -= next?.frame.frame.data.length ?? 0;
    return next?.frame;
  }

  close(): void {
    this.#over = true;
    this.#queue = [];
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
    this.#wake?.();
  }

  #followerOf(rung: number): StreamFollower {
    return {
      config: (_, config) => {
        this.#configs.set(rung, config);
        if (config.kind === "video") this.#needsKey = true;
      },
      frame: (frame, sequence) => this.#push({ rung, sequence, frame }),
      takeBack: () => {
        this.#needsKey = this.#hasPictures;
      },
      end: () => {
        this.#over = true;
        this.#wake?.();
      },
    };
  }

  #push(sent: SentFrame): void {
    const { frame, rung } = sent;
    const config = this.#configs.get(rung);
    if (this.#beginning || this.#over || config === undefined) return;
    const isPicture = frame.kind === "video";
    if (isPicture && this.#needsKey && !frame.key) return;
    if (isPicture) this.#needsKey = false;
    this.#dropLate();
    if (this.#needsEntry && !(isPicture && frame.key)) return;
    const placed = this.#clock.place(frame, config.timescale);
    if (placed === undefined) return;
    this.#needsEntry = false;
    this.#queue.push({ frame: { ...sent, config, placed }, queuedMs: this.#nowMs() });
    this.#bytes += frame.data.length;
    this.#wake?.();
  }

  #dropLate(): void {
    const [first] = this.#queue;
    if (first === undefined) return;
    if (this.#bytes <= MAX_QUEUED_BYTES && this.#nowMs() - first.queuedMs <= LONGEST_WAIT_MS) return;
    this.#queue = [];
    this.#bytes = 0;
    this.#needsEntry = this.#hasPictures;
  }
}
