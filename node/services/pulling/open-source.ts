import type { Clock } from "@leat/node/kernel/clock.ts";
import type { AddressTurns } from "@leat/node/kernel/net/pinned-address.ts";
import { readBody } from "@leat/node/media-io/pull/body.ts";
import { Deadline } from "@leat/node/media-io/pull/deadline.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import type { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { Pacer, Throttle } from "@leat/node/media-io/pull/pacing.ts";
import { openRtmp } from "@leat/node/media-io/pull/rtmp-source.ts";
import { openRtsp } from "@leat/node/media-io/pull/rtsp-source.ts";
import { type PullSource, parseSource, readSrt } from "@leat/node/media-io/pull/source-url.ts";
import { type PulledMedia, readTransportStream } from "@leat/node/media-io/pull/ts-source.ts";
import type { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { Fetcher } from "./hls/fetcher.ts";
import { readHls } from "./hls/hls-source.ts";

export interface SourceTools {
  readonly outbound: Outbound;
  readonly srt: Pick<SrtService, "call"> | undefined;
  readonly options: PullOptions;
  /** Of this source alone, for all its tries. */
  readonly addresses: AddressTurns;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface OpenedSource {
  readonly media: PulledMedia;
  readonly pacer: Pacer;
}

/** A live source may send what it holds in store at first, and a file is held back from here on. */
const LIVE_AHEAD_MS = 10_000;
/** Segments come seconds at once and are wanted evenly; so long a fetch may take unnoticed. */
const HLS_AHEAD_MS = 3_000;
/** As every playlist begins, perhaps behind a byte order mark. */
const playlistHead = /^(\ufeff)?#EXTM3U/;
const HEAD_BYTES = 10;

/** Connects to a source, and finds out what it is. @throws PullError */
export async function openSource(text: string, tools: SourceTools): Promise<OpenedSource> {
  const { outbound, options, clock, logger, signal } = tools;
  const source = parseSource(text);
  if (source.scheme === "srt") return callSource(source, tools);
  if (source.scheme !== "http" && source.scheme !== "https") {
    const open = source.scheme === "rtmp" || source.scheme === "rtmps" ? openRtmp : openRtsp;
    const media = await open(source, { ...tools, throttle: new Throttle(clock, options.maxBytesPerSecond) });
    return { media, pacer: new Pacer(clock, LIVE_AHEAD_MS) };
  }
  const deadline = new Deadline(options.fetchMs, signal);
  try {
    const { response, url } = await outbound.get(source.url, deadline.signal);
    const throttle = new Throttle(clock, options.maxBytesPerSecond);
    const pieces = readBody(response, { idleMs: options.idleMs, throttle, signal: deadline.signal });
    const isWhole = response.headers["content-length"] !== undefined;
    const head = await readHead(pieces);
    if (playlistHead.test(new TextDecoder("utf-8", { ignoreBOM: true }).decode(head))) {
      const fetcher = new Fetcher({ outbound, options, throttle, signal });
      const media = readHls(await fetcher.rest(pieces, head), url, { fetcher, options, clock, logger, signal });
      return { media, pacer: new Pacer(clock, HLS_AHEAD_MS) };
    }
    const media = readTransportStream(putBack(head, pieces), { isWhole, logger });
    return { media, pacer: new Pacer(clock, LIVE_AHEAD_MS) };
  } finally {
    // A stream goes on for as long as it likes.
    deadline.clear();
  }
}

/** What is sent by SRT is live. */
async function callSource(
  { url, port }: PullSource,
  { outbound, addresses, srt, clock, logger, signal, options }: SourceTools,
): Promise<OpenedSource> {
  if (srt === undefined) throw new PullError({ code: "PULL_SCHEME_REFUSED", scheme: "srt" });
  const address = addresses.next(await outbound.pin(url, signal));
  const { streamId = "", passphrase, latencyMs } = readSrt(url);
  const pieces = srt.call({ address, port, streamId, passphrase, latencyMs }, signal);
  const throttle = new Throttle(clock, options.maxBytesPerSecond);
  const media = readTransportStream(slow(pieces, throttle, signal), { isWhole: false, logger });
  return { media, pacer: new Pacer(clock, LIVE_AHEAD_MS) };
}

async function* slow(pieces: AsyncIterable<Uint8Array>, throttle: Throttle, signal: AbortSignal) {
  for await (const piece of pieces) {
    await throttle.take(piece.length, signal);
    yield piece;
  }
}

/** As many bytes as tell what comes, or all that there are. */
async function readHead(pieces: AsyncGenerator<Uint8Array, void>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for (let size = 0; size < HEAD_BYTES; size += all.at(-1)!.length) {
    const { done, value } = await pieces.next();
    if (done === true) break;
    all.push(value);
  }
  return Buffer.concat(all);
}

async function* putBack(head: Uint8Array, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield head;
  yield* pieces;
}
