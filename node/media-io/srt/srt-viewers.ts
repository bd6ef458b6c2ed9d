import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Clock } from "../../kernel/clock.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { TsFeeds } from "../playout/ts-feed.ts";
import type { SrtPlayout } from "./playout.ts";
import { SrtViewer } from "./srt-viewer.ts";
import type { SrtPlayTarget } from "./stream-id.ts";

export interface SrtViewersParts {
  readonly playout: SrtPlayout;
  readonly recheckMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
  readonly send: (id: number, bytes: Uint8Array) => void;
  readonly finish: (id: number) => void;
  readonly close: (id: number, code: string | undefined) => void;
}

const TICK_MS = 1_000;

/** All who watch by SRT, by the numbers of their connections. */
export class SrtViewers {
  readonly #parts: SrtViewersParts;
  readonly #feeds = new TsFeeds();
  readonly #viewers = new Map<number, SrtViewer>();
  readonly #tasks: TaskGroup;
  readonly #served;

  constructor(parts: SrtViewersParts) {
    const { clock, logger, metrics } = parts;
    this.#parts = parts;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Play by SRT failed", { error }) });
    this.#served = metrics.counter({ name: "leat_srt_served_bytes_total", help: "Media bytes sent to SRT viewers" });
    metrics.gauge({ name: "leat_srt_viewers", help: "SRT viewers now", collect: () => this.#viewers.size });
  }

  start(): void {
    this.#tasks.every(TICK_MS, () => {
      for (const viewer of this.#viewers.values()) viewer.tick();
    });
  }

  async stop(): Promise<void> {
    this.loseAll();
    await this.#tasks.close();
  }

  open(id: number, address: string, target: SrtPlayTarget): void {
    const { playout, recheckMs, clock, logger, send, finish, close } = this.#parts;
    if (this.#tasks.signal.aborted) return;
    const viewer = new SrtViewer({
      address,
      target,
      playout,
      recheckMs,
      logger,
      feeds: this.#feeds,
      nowMs: () => clock.nowMs(),
      send: (bytes) => send(id, bytes),
      onSent: (bytes) => this.#served.add(bytes),
      onFinish: () => finish(id),
      onEnd: (code) => {
        this.#viewers.delete(id);
        close(id, code);
      },
    });
    this.#viewers.set(id, viewer);
    this.#tasks.run(() => viewer.begin());
  }

  taken(id: number, bytes: number): void {
    this.#viewers.get(id)?.taken(bytes);
  }

  /** Its connection is gone. */
  lose(id: number): void {
    this.#viewers.get(id)?.end();
  }

  loseAll(): void {
    for (const viewer of this.#viewers.values()) viewer.end();
  }
}
