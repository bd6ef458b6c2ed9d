import { findHealthFaults, type HealthFault, type SourceHealth } from "@leat/sdk/protocol/health.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { NewsDesk } from "../webhooks/webhook-service.ts";
import { healthNews } from "./news.ts";

export interface HeardHealth {
  /** "poor" where there are faults. */
  readonly state: "good" | "poor";
  readonly health: SourceHealth;
  readonly faults: readonly HealthFault[];
  readonly heardAtMs: number;
}

/** A source that is now good, now poor, is told of so often at most. */
const TELL_EVERY_MS = 10_000;

interface Entry extends HeardHealth {
  /** Faults that the buyer was told of last; undefined: of nothing yet. */
  readonly told: string | undefined;
  readonly toldAtMs: number;
}

/** How streams that are published do, by what their ingest nodes measure. In memory alone: it is of now. */
export class StreamHealth {
  readonly #news: NewsDesk;
  readonly #heard = new Map<Hex, Entry>();

  constructor(news: NewsDesk) {
    this.#news = news;
  }

  of(stream: Hex): HeardHealth | undefined {
    return this.#heard.get(stream);
  }

  forget(stream: Hex): void {
    this.#heard.delete(stream);
  }

  /** Tells the buyer what two reports in a row agree on, where it was told something else or nothing. */
  async hear(stream: StreamRow, health: SourceHealth, nowMs: number): Promise<void> {
    const before = this.#heard.get(stream.id);
    const faults = findHealthFaults(health);
    const said = faults.join(" ");
    const { told, toldAtMs = 0 } = before ?? {};
    const isNews = before?.faults.join(" ") === said && told !== said && nowMs - toldAtMs >= TELL_EVERY_MS;
    const state: HeardHealth["state"] = faults.length === 0 ? "good" : "poor";
    const heard = { state, health, faults, heardAtMs: nowMs };
    this.#heard.set(stream.id, { ...heard, ...(isNews ? { told: said, toldAtMs: nowMs } : { told, toldAtMs }) });
    if (isNews) await this.#news.tell(healthNews(stream, heard));
  }
}
