import { chooseVariant, PlaylistError, readPulledPlaylist } from "@leat/node/media/pulled-playlist.ts";
import { placeTags } from "@leat/node/media-io/place-tags.ts";
import { resolveAddress } from "@leat/node/media-io/pull/outbound.ts";
import type { PulledMedia } from "@leat/node/media-io/pull/ts-source.ts";
import { KnownTags } from "./known-tags.ts";
import { mergeTracks } from "./merge.ts";
import { HlsTrack, type HlsTrackParts, type SegmentMedia } from "./track.ts";

/** Segments that are fetched before their time: a live playlist drops them, and each takes a while to come. */
const READ_AHEAD = 2;

/** What a playlist and all that it names hold. Starts at the live edge, or at the start of what is whole. */
export async function* readHls(bytes: Uint8Array, base: URL, { signal, ...parts }: HlsTrackParts): PulledMedia {
  const left = new AbortController();
  const own = { ...parts, signal: AbortSignal.any([signal, left.signal]) };
  const known = new KnownTags();
  const track = (url: URL, first?: Parameters<HlsTrack["read"]>[1]) =>
    readAhead(new HlsTrack(own, known).read(url, first), READ_AHEAD);
  try {
    const playlist = readPulledPlaylist(bytes);
    if (playlist.type === "media") {
      yield* itemsOf(track(base, playlist));
      return;
    }
    const variant = chooseVariant(playlist, 8 * parts.options.maxBytesPerSecond);
    if (variant.uri === "") throw new PlaylistError({ code: "PULL_VARIANT_MISSING" });
    const main = track(resolveAddress(variant.uri, base));
    if (variant.audioUri === undefined) yield* itemsOf(main);
    else yield* mergeTracks(main, track(resolveAddress(variant.audioUri, base)));
  } finally {
    left.abort();
  }
}

async function* itemsOf(media: AsyncIterable<SegmentMedia>): PulledMedia {
  for await (const { items } of media) yield placeTags(items);
}

/** The same, with the next ones under way while one is used. */
async function* readAhead<T>(source: AsyncGenerator<T, void>, count: number): AsyncGenerator<T, void> {
  const waiting: Promise<IteratorResult<T, void>>[] = [];
  for (;;) {
    while (waiting.length < count) {
      const next = source.next();
      // Heard when it is its turn, and not before.
      next.catch(() => {});
      waiting.push(next);
    }
    const { done, value } = await waiting.shift()!;
    if (done === true) return;
    yield value as T;
  }
}
