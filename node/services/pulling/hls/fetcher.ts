import { readBody } from "@leat/node/media-io/pull/body.ts";
import { Deadline } from "@leat/node/media-io/pull/deadline.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import { type ByteRange, type Outbound, resolveAddress } from "@leat/node/media-io/pull/outbound.ts";
import type { Throttle } from "@leat/node/media-io/pull/pacing.ts";

export interface FetcherParts {
  readonly outbound: Outbound;
  readonly options: PullOptions;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
}

/** Fetches what playlists name, each within its bounds. */
export class Fetcher {
  readonly #parts: FetcherParts;

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  /** @throws PullError */
  playlist(url: URL): Promise<{ readonly bytes: Uint8Array; readonly url: URL }> {
    return this.#whole(async (signal) => {
      const answer = await this.#parts.outbound.get(url, signal);
      const pieces = readBody(answer.response, this.#bodyLimits(signal));
      return { bytes: await this.rest(pieces, new Uint8Array(0)), url: answer.url };
    });
  }

  /** The rest of a playlist of which the beginning is read. */
  async rest(pieces: AsyncIterable<Uint8Array>, beginning: Uint8Array): Promise<Uint8Array> {
    return collect(pieces, this.#parts.options.maxPlaylistBytes, "PULL_PLAYLIST_TOO_LARGE", beginning);
  }

  /** A segment or its map. @param base Of the playlist that names it. @throws PullError */
  segment(uri: string, base: URL, range: ByteRange | undefined): Promise<Uint8Array> {
    const { outbound, options } = this.#parts;
    const { maxSegmentBytes } = options;
    // A server may send more than it was asked for.
    const limit = range === undefined ? maxSegmentBytes : Math.min(maxSegmentBytes, range.sizeBytes);
    return this.#whole(async (signal) => {
      const { response } = await outbound.get(resolveAddress(uri, base), signal, range);
      return collect(readBody(response, this.#bodyLimits(signal)), limit, "PULL_SEGMENT_TOO_LARGE");
    });
  }

  async #whole<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new Deadline(this.#parts.options.fetchMs, this.#parts.signal);
    try {
      return await work(deadline.signal);
    } finally {
      deadline.clear();
    }
  }

  #bodyLimits(signal: AbortSignal) {
    const { options, throttle } = this.#parts;
    return { idleMs: options.idleMs, throttle, signal };
  }
}

async function collect(
  pieces: AsyncIterable<Uint8Array>,
  limit: number,
  code: "PULL_PLAYLIST_TOO_LARGE" | "PULL_SEGMENT_TOO_LARGE",
  beginning: Uint8Array = new Uint8Array(0),
): Promise<Uint8Array> {
  const all = [beginning];
  let size = beginning.length;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) throw new PullError({ code, limit });
    all.push(piece);
  }
  const whole = Buffer.concat(all);
  // A plain array, of which `slice` makes a copy.
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
}
