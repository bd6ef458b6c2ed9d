import { readBody } from "@leat/node/media-io/pull/body.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import { type ByteRange, type Outbound, type PulledAnswer, resolveAddress } from "@leat/node/media-io/pull/outbound.ts";
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
  async playlist(url: URL): Promise<{ readonly bytes: Uint8Array; readonly url: URL }> {
    const { outbound, signal } = this.#parts;
    const answer = await outbound.get(url, signal);
    return { bytes: await this.#readPlaylist(answer), url: answer.url };
  }

  /** The rest of a playlist of which the beginning is read. */
  async rest(pieces: AsyncIterable<Uint8Array>, beginning: Uint8Array): Promise<Uint8Array> {
    return collect(pieces, this.#parts.options.maxPlaylistBytes, "PULL_PLAYLIST_TOO_LARGE", beginning);
  }

  /** A segment or its map. @param base Of the playlist that names it. @throws PullError */
  async segment(uri: string, base: URL, range: ByteRange | undefined): Promise<Uint8Array> {
    const { outbound, options, signal } = this.#parts;
    const { response } = await outbound.get(resolveAddress(uri, base), signal, range);
    const { maxSegmentBytes } = options;
    // A server may send more than it was asked for.
    const limit = range === undefined ? maxSegmentBytes : Math.min(maxSegmentBytes, range.sizeBytes);
    return collect(readBody(response, this.#bodyLimits()), limit, "PULL_SEGMENT_TOO_LARGE");
  }

  async #readPlaylist({ response }: PulledAnswer): Promise<Uint8Array> {
    return this.rest(readBody(response, this.#bodyLimits()), new Uint8Array(0));
  }

  #bodyLimits() {
    const { options, throttle, signal } = this.#parts;
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
  return Buffer.concat(all);
}
