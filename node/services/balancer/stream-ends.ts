import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { AudienceBook } from "./audience-book.ts";
import type { JobBook } from "./job-book.ts";
import type { JobKeeper } from "./job-keeper.ts";
import { endedNews } from "./news.ts";
import type { Play } from "./play.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Pulls } from "./pulls.ts";
import type { Refusals } from "./refusals.ts";
import type { Reports } from "./reports.ts";
import type { StreamBook } from "./stream-book.ts";
import type { StreamHealth } from "./stream-health.ts";

export interface StreamEndsParts {
  readonly streams: StreamBook;
  readonly jobs: Pick<JobBook, "create">;
  readonly keeper: Pick<JobKeeper, "endStream">;
  readonly play: Pick<Play, "ended">;
  readonly pulls: Pick<Pulls, "look">;
  readonly health: Pick<StreamHealth, "forget">;
  readonly refusals: Pick<Refusals, "forget">;
  readonly reports: Pick<Reports, "settle">;
  readonly audiences: Pick<AudienceBook, "settle">;
}

/** Ends streams, and pauses those whose source may come back: each once, whoever says it. */
export class StreamEnds {
  readonly #components: Pick<BalancerComponents, "clock" | "logger" | "news">;
  readonly #parts: StreamEndsParts;
  readonly #ending = new Map<Hex, Promise<void>>();
  readonly #pausing = new Map<Hex, Promise<void>>();

  constructor(components: Pick<BalancerComponents, "clock" | "logger" | "news">, parts: StreamEndsParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /** Several may say at once that a stream is over: it ends once, by the first one's code. */
  end(stream: Hex, code: string): Promise<void> {
    const running = this.#ending.get(stream) ?? this.#end(stream, code).finally(() => this.#ending.delete(stream));
    this.#ending.set(stream, running);
    return running;
  }

  /** As at its end, only that it may go on: with new jobs, where it stopped, once its source is there. */
  async pause(stream: Hex): Promise<void> {
    const { streams } = this.#parts;
    await streams.exclusively(stream, async () => {
      await this.#ending.get(stream)?.catch(() => {});
      const pausing = this.#pause(stream).finally(() => this.#pausing.delete(stream));
      this.#pausing.set(stream, pausing);
      await pausing;
    });
    // Its buyer may have ended it meanwhile, and asked a node that had nothing more to end.
    const row = await streams.find(stream);
    if (row !== undefined && row.endCode !== null) await this.end(stream, row.endCode);
  }

  async #end(stream: Hex, code: string): Promise<void> {
    const { clock, logger, news } = this.#components;
    const { streams, keeper, play, pulls, health, refusals, reports, audiences } = this.#parts;
    // Else it would begin a job for what is over. Where it failed the stream ends all the same.
    await this.#pausing.get(stream)?.catch(() => {});
    const row = await streams.find(stream);
    if (row === undefined || row.state === "ended") return;
    logger.info("End stream", { streamId: stream, code });
    play.ended(stream);
    await news.tell(endedNews(row, code));
    await streams.change(stream, { state: "ended", endedAtMs: clock.nowMs(), endCode: code });
    await streams.dropLease(stream);
    health.forget(stream);
    await keeper.endStream(stream, code === "PUBLISHER_LOST" ? "STREAM_ENDED" : code);
    refusals.forget(stream);
    reports.settle(stream);
    pulls.look();
    await audiences.settle(stream);
  }

  async #pause(stream: Hex): Promise<void> {
    const { clock, logger } = this.#components;
    const { streams, jobs, keeper, health, reports } = this.#parts;
    const row = await streams.find(stream);
    if (row === undefined || row.state === "ended") return;
    logger.info("Pause stream", { streamId: stream, code: row.pullCode });
    await streams.change(stream, { state: "created", source: null, renditions: null });
    await streams.dropLease(stream);
    health.forget(stream);
    await keeper.endStream(stream, "STREAM_PAUSED");
    const { slug } = row;
    await jobs.create(stream, "ingest", { stream, slug, primitive: "ingest" }, clock.nowMs());
    reports.settle(stream);
  }
}
