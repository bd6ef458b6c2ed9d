import type { Clock } from "@leat/node/kernel/clock.ts";
import { readBody } from "@leat/node/media-io/pull/body.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import type { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { Pacer, Throttle } from "@leat/node/media-io/pull/pacing.ts";
import { parseSource } from "@leat/node/media-io/pull/source-url.ts";
import { type PulledMedia, readTransportStream } from "@leat/node/media-io/pull/ts-source.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";

export interface SourceTools {
  readonly outbound: Outbound;
  readonly options: PullOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface OpenedSource {
  readonly media: PulledMedia;
  readonly pacer: Pacer;
}

/** A live source may send what it holds in store at first, and a file is held back from here on. */
const TS_AHEAD_MS = 10_000;

/** Connects to a source, and finds out what it is. @throws PullError */
export async function openSource(text: string, tools: SourceTools): Promise<OpenedSource> {
  const { outbound, options, clock, logger, signal } = tools;
  const { url } = parseSource(text);
  const { response } = await outbound.get(url, signal);
  const throttle = new Throttle(clock, options.maxBytesPerSecond);
  const pieces = readBody(response, { idleMs: options.idleMs, throttle, signal });
  const isWhole = response.headers["content-length"] !== undefined;
  return { media: readTransportStream(pieces, { isWhole, logger }), pacer: new Pacer(clock, TS_AHEAD_MS) };
}
