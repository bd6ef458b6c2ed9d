import { Client } from "undici";

/** What a crowd of LL-HLS viewers went through since the last look. */
export interface CrowdFigures {
  readonly requests: number;
  /** Those that were answered with what was asked for. */
  readonly answered: number;
  readonly bodyBytes: number;
  /** How much later than whoever had it first a viewer had a part whole, in part targets, at worst. */
  readonly behindPartTargets: number;
  /** Parts that viewers missed: they were gone, or never listed to them. */
  readonly missedParts: number;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

interface Figures {
  requests: number;
  answered: number;
  bodyBytes: number;
  behindMs: number;
  missedParts: number;
}

interface Listing {
  readonly partTargetMs: number;
  readonly nextSequence: number;
  readonly nextPart: number;
  readonly canSkip: boolean;
  readonly parts: readonly { readonly uri: string; readonly place: Place }[];
}

interface Place {
  readonly sequence: number;
  readonly part: number;
}

const ANSWER_LIMIT_MS = 10_000;
/** Of a part that everybody has had by then nothing need be remembered. */
const REMEMBERED_PARTS = 100;

/**
 * Viewers of one LL-HLS stream, each with connections of its own, that fetch what hls.js would: blocking reloads and parts.
 * They share the machine with what they measure: what they cost themselves counts, and the client of node:http is dear.
 */
export class HlsCrowd {
  readonly #masterUrl: string;
  readonly #stop = new AbortController();
  readonly #firstSeen = new Map<string, number>();
  readonly #running: Promise<void>[] = [];
  #figures: Figures = none();
  #partTargetMs = 1;

  constructor(masterUrl: string) {
    this.#masterUrl = masterUrl;
  }

  /** One more viewer. Rejects where it cannot even begin. */
  async join(): Promise<void> {
    const client = this.#connect();
    const master = await this.#get(client, this.#masterUrl);
    // A picture and a sound are asked for side by side.
    for (const [at, uri] of mediaPlaylists(master.body.toString()).entries()) {
      const url = new URL(uri, this.#masterUrl).href;
      this.#running.push(this.#follow(at === 0 ? client : this.#connect(), url));
    }
  }

  /** What happened since it was asked last. */
  read(): CrowdFigures {
    const { behindMs, ...rest } = this.#figures;
    this.#figures = none();
    return { ...rest, behindPartTargets: behindMs / this.#partTargetMs };
  }

  async leave(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #connect(): Client {
    return new Client(new URL(this.#masterUrl).origin, {
      headersTimeout: ANSWER_LIMIT_MS,
      bodyTimeout: ANSWER_LIMIT_MS,
    });
  }

  async #follow(client: Client, url: string): Promise<void> {
    let at: Place | undefined;
    let reload = "";
    while (!this.#stop.signal.aborted) {
      const answer = await this.#get(client, `${url}${reload}`).catch(() => undefined);
      if (answer?.status !== 200) continue;
      const listing = readListing(answer.body.toString());
      this.#partTargetMs = listing.partTargetMs;
      // A player that begins plays from the live edge on.
      const fresh: Listing["parts"] = at === undefined ? listing.parts.slice(-1) : listing.parts.filter(after(at));
      if (at !== undefined) this.#figures.missedParts += missedBetween(at, fresh[0]?.place);
      for (const { uri, place } of fresh) {
        at = place;
        const part = await this.#get(client, new URL(uri, url).href).catch(() => undefined);
        if (part?.status === 200) this.#had(`${url} ${place.sequence}.${place.part}`);
      }
      reload = `?_HLS_msn=${listing.nextSequence}&_HLS_part=${listing.nextPart}${listing.canSkip ? "&_HLS_skip=YES" : ""}`;
    }
    await client.destroy();
  }

  #had(name: string): void {
    const nowMs = performance.now();
    const first = this.#firstSeen.get(name);
    if (first !== undefined) {
      this.#figures.behindMs = Math.max(this.#figures.behindMs, nowMs - first);
      return;
    }
    this.#firstSeen.set(name, nowMs);
    if (this.#firstSeen.size > REMEMBERED_PARTS) this.#firstSeen.delete(this.#firstSeen.keys().next().value!);
  }

  async #get(client: Client, url: string): Promise<Answer> {
    const { pathname, search } = new URL(url);
    try {
      const answer = await fetchBy(client, `${pathname}${search}`, this.#stop.signal);
      this.#figures.requests += 1;
      if (answer.status === 200) this.#figures.answered += 1;
      this.#figures.bodyBytes += answer.body.length;
      return answer;
    } catch (error) {
      // Whoever leaves asks for nothing any more.
      if (!this.#stop.signal.aborted) this.#figures.requests += 1;
      throw error;
    }
  }
}

function fetchBy(client: Client, path: string, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Buffer[] = [];
  let status = 0;
  let stop = () => {};
  client.dispatch(
    { path, method: "GET" },
    {
      onRequestStart(controller) {
        stop = () => controller.abort(new Error("the viewer left"));
        if (signal.aborted) stop();
        signal.addEventListener("abort", stop, { once: true });
      },
      onResponseStart(_controller, statusCode) {
        status = statusCode;
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        signal.removeEventListener("abort", stop);
        resolve({ status, body: Buffer.concat(chunks) });
      },
      onResponseError(_controller, error) {
        signal.removeEventListener("abort", stop);
        reject(error);
      },
    },
  );
  return promise;
}

function none(): Figures {
  return { requests: 0, answered: 0, bodyBytes: 0, behindMs: 0, missedParts: 0 };
}

/** The first variant, and the sound that belongs to it. */
function mediaPlaylists(master: string): string[] {
  const lines = master.split("\n");
  const variant = lines.findIndex((line) => line.startsWith("#EXT-X-STREAM-INF:"));
  if (variant < 0) throw new Error("the master playlist has no variant");
  const group = /AUDIO="([^"]+)"/.exec(lines[variant]!)?.[1];
  const sound = lines.find((line) => line.startsWith("#EXT-X-MEDIA:") && line.includes(`GROUP-ID="${group}"`));
  const soundUri = sound === undefined ? undefined : /URI="([^"]+)"/.exec(sound)?.[1];
  return [lines[variant + 1]!, ...(soundUri === undefined ? [] : [soundUri])];
}

function readListing(text: string): Listing {
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  let sequence = value(/^#EXT-X-MEDIA-SEQUENCE:(\d+)$/m) + (value(/SKIPPED-SEGMENTS=(\d+)/) || 0);
  let part = 0;
  const parts: { uri: string; place: Place }[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#EXT-X-PART:")) {
      parts.push({ uri: /URI="([^"]+)"/.exec(line)![1]!, place: { sequence, part } });
      part += 1;
    } else if (line !== "" && !line.startsWith("#")) {
      sequence += 1;
      part = 0;
    }
  }
  return {
    partTargetMs: value(/PART-TARGET=([\d.]+)/) * 1_000,
    nextSequence: sequence,
    nextPart: part,
    canSkip: text.includes("CAN-SKIP-UNTIL="),
    parts,
  };
}

function after(at: Place): (listed: { place: Place }) => boolean {
  return ({ place }) => place.sequence > at.sequence || (place.sequence === at.sequence && place.part > at.part);
}

/** A listing that begins in the middle of another segment than the one that was played hides parts before it. */
function missedBetween(at: Place, next: Place | undefined): number {
  if (next === undefined || (next.sequence === at.sequence && next.part === at.part + 1)) return 0;
  return next.sequence === at.sequence + 1 && next.part === 0 ? 0 : 1;
}
