import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";

/** Who has asked for nothing so long does not watch any more: three target durations. */
export const GONE_AFTER_MS = 12_000;
/** Beyond it viewers are counted no higher; a machine has no ports for more at one address. */
export const MAX_VIEWERS = 65_536;
/** How often those who left are looked for, at most: it takes a look at all. */
const SWEEP_MS = 1_000;

export interface Viewer {
  readonly ip: string;
  readonly headers: { readonly "user-agent"?: string | undefined };
  /** Its socket, where one asks again and again over the same. */
  readonly raw?: { readonly socket: object };
}

/** Who was found to ask over a socket: behind a proxy that may change. */
interface KnownViewer {
  readonly ip: string;
  readonly agent: string;
  readonly hash: string;
}

/** What a stream's viewers at this node came to. */
export interface AudienceFigures {
  readonly viewers: number;
  readonly peakViewers: number;
  /** Seconds of the stream that went out, all viewers together. */
  readonly watchedSeconds: number;
  readonly servedBytes: number;
}

/**
 * Counts a stream's viewers by what they ask for. Who they are is nobody's business: a viewer is a hash of address and
 * program under a secret of this process, kept for seconds. Viewers behind one cache or one address translator with the
 * same program are one.
 */
export class Audience {
  readonly #clock: Clock;
  readonly #secret: Uint8Array;
  readonly #seen = new Map<string, number>();
  readonly #known = new WeakMap<object, KnownViewer>();
  #sweptAtMs = 0;
  #peak = 0;
  #watchedSeconds = 0;
  #servedBytes = 0;

  constructor(clock: Clock, secret: Uint8Array) {
    this.#clock = clock;
    this.#secret = secret;
  }

  see(viewer: Viewer): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#sweptAtMs >= SWEEP_MS) this.#sweep(nowMs);
    const hash = this.#hashOf(viewer);
    if (!this.#seen.has(hash) && this.#seen.size >= MAX_VIEWERS) return;
    this.#seen.set(hash, nowMs);
    this.#peak = Math.max(this.#peak, this.#seen.size);
  }

  sent(bytes: number, seconds: number): void {
    this.#servedBytes += bytes;
    this.#watchedSeconds += seconds;
  }

  figures(): AudienceFigures {
    this.#sweep(this.#clock.nowMs());
    return {
      viewers: this.#seen.size,
      peakViewers: this.#peak,
      watchedSeconds: Math.round(this.#watchedSeconds * 1000) / 1000,
      servedBytes: this.#servedBytes,
    };
  }

  #hashOf({ ip, headers, raw }: Viewer): string {
    const agent = headers["user-agent"] ?? "";
    const known = raw === undefined ? undefined : this.#known.get(raw.socket);
    if (known?.ip === ip && known.agent === agent) return known.hash;
    const digest = createHash("sha256").update(this.#secret).update(ip).update("\n").update(agent).digest("base64url");
    const hash = digest.slice(0, 16);
    if (raw !== undefined) this.#known.set(raw.socket, { ip, agent, hash });
    return hash;
  }

  #sweep(nowMs: number): void {
    this.#sweptAtMs = nowMs;
    for (const [viewer, atMs] of this.#seen) if (nowMs - atMs >= GONE_AFTER_MS) this.#seen.delete(viewer);
  }
}

/** The audience of each stream; goes with its stream. */
export class Audiences {
  readonly #clock: Clock;
  readonly #secret = randomBytes(32);
  readonly #audiences = new WeakMap<object, Audience>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(stream: object): Audience {
    const known = this.#audiences.get(stream) ?? new Audience(this.#clock, this.#secret);
    this.#audiences.set(stream, known);
    return known;
  }
}
