import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { SourceAudioConfig } from "@leat/sdk/protocol/frame.ts";
import type { AudioInput, AudioSpec } from "@leat/transcoder/engine.ts";
import type { AudioEncode, AudioEncodeEvents } from "@leat/transcoder/supervisor.ts";
import type { SoundGroup } from "./sound-group.ts";

export type StartAudio = (spec: AudioSpec, events: AudioEncodeEvents) => AudioEncode;

export interface SoundWorkersOptions {
  readonly startAudio: StartAudio;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Some packet came out of a worker. */
  readonly onPacket: () => void;
}

interface Running {
  readonly worker: AudioEncode;
  readonly groups: readonly SoundGroup[];
}

/** Packets that an encoder may be behind: beyond it the machine cannot keep up, and audio gaps are the least harm. */
const maxQueued = 512;
const restartPauseMs = 1_000;

/** The forked workers that encode a stream's sound, none where nothing is to be encoded. */
export class SoundWorkers {
  readonly #options: SoundWorkersOptions;
  #running: Running[] = [];
  #notBefore = 0;
  #over = false;

  constructor(options: SoundWorkersOptions) {
    this.#options = options;
  }

  /** Inputs that the group's worker has not worked off; none where it has no worker. */
  queuedFor(group: SoundGroup): number {
    return this.#running.find(({ groups }) => groups.includes(group))?.worker.queued() ?? 0;
  }

  /** Groups that were not encoded are now, all in one worker; a worker whose groups are none of these any more ends. */
  arrange(needed: readonly SoundGroup[], source: SourceAudioConfig): void {
    for (const running of this.#running) {
      if (running.groups.some((group) => needed.includes(group))) continue;
      this.#running = this.#running.filter((one) => one !== running);
      running.worker.kill();
    }
    const lacking = needed.filter((group) => !this.#running.some(({ groups }) => groups.includes(group)));
    if (lacking.length > 0 && this.#options.clock.nowMs() >= this.#notBefore) this.#start(lacking, source);
  }

  /** What a worker that does not keep up is given is lost for it. */
  push(input: AudioInput): void {
    for (const { worker } of this.#running) if (worker.queued() <= maxQueued) this.#guard(worker.push(input));
  }

  configure(version: number, config: SourceAudioConfig): void {
    for (const { worker } of this.#running) this.#guard(worker.push({ type: "config", version, config }));
  }

  /** Resolves when all that went in came out. */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.allSettled(this.#running.map(({ worker }) => worker.end()));
    this.#running = [];
  }

  kill(): void {
    this.#over = true;
    for (const { worker } of this.#running.splice(0)) worker.kill();
  }

  #start(groups: readonly SoundGroup[], source: SourceAudioConfig): void {
    const { startAudio, clock, logger, onPacket } = this.#options;
    // All groups of a stream began with one source.
    const { channels } = groups[0]!;
    const spec = { source, channels, groups: groups.map(({ codec, bitrate }) => ({ codec, bitrate })) };
    const isOurs = () => this.#running.some(({ worker: one }) => one === worker);
    const worker: AudioEncode = startAudio(spec, {
      config: (index, _, config) => {
        if (isOurs()) groups[index]!.setConfig(config);
      },
      frame: (index, frame) => {
        if (!isOurs()) return;
        groups[index]!.push(frame);
        onPacket();
      },
      error: (error) => logger.warn("Encode audio failed", { error }),
      exit: (error) => {
        if (error === undefined || this.#over || !isOurs()) return;
        this.#running = this.#running.filter((one) => one.worker !== worker);
        this.#notBefore = clock.nowMs() + restartPauseMs;
      },
    });
    this.#running.push({ worker, groups });
  }

  /** A lost worker is told by its exit. */
  #guard(pushed: Promise<void>): void {
    pushed.catch(() => {});
  }
}
