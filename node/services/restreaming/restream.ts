import { isIP } from "node:net";
import { unlessAborted } from "@leat/node/kernel/abort.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import {
  type AddressRules,
  AddressTurns,
  lookupPinned,
  OutboundError,
  pinAddress,
} from "@leat/node/kernel/net/pinned-address.ts";
import { chooseTracks } from "@leat/node/media-io/playout/choose-tracks.ts";
import { SentCount } from "@leat/node/media-io/playout/sent-count.ts";
import type { PlayedStream, PlayedStreams } from "@leat/node/media-io/playout/stream.ts";
import type { TsFeeds } from "@leat/node/media-io/playout/ts-feed.ts";
import { RestreamError } from "@leat/node/media-io/restream/errors.ts";
import type { RestreamOptions } from "@leat/node/media-io/restream/options.ts";
import {
  parseTarget,
  type RtmpAddress,
  type SrtAddress,
  type TargetAddress,
} from "@leat/node/media-io/restream/target-url.ts";
import type { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import { PublishError } from "@leat/transcoder/tools/publish-error.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { FrameQueue } from "./frame-queue.ts";
import { RtmpTarget } from "./rtmp-target.ts";
import { pushBySrt } from "./srt-target.ts";

export interface RestreamParts {
  readonly slug: string;
  readonly target: RestreamTarget;
  readonly streams: PlayedStreams;
  readonly srt: Pick<SrtService, "dial" | "fault">;
  readonly feeds: TsFeeds;
  readonly rules: AddressRules;
  readonly options: RestreamOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why nothing is sent; null once something is. */
  readonly onState: (code: string | null) => void;
  readonly onSent: (bytes: number) => void;
}

/** One stream towards one server, again and again until the stream is over or nobody wants it any more. */
export class Restream {
  readonly #parts: RestreamParts;
  readonly #addresses = new AddressTurns();
  #code: string | null | undefined;

  constructor(parts: RestreamParts) {
    this.#parts = parts;
  }

  /** Why nothing is sent; null where something is, undefined before anything is known. */
  get code(): string | null | undefined {
    return this.#code;
  }

  get target(): RestreamTarget {
    return this.#parts.target;
  }

  /** Resolves when the stream is over, or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { options, clock, logger, target } = this.#parts;
    let pauseMs = options.retryMinMs;
    while (!signal.aborted) {
      try {
        await this.#push(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const fault = nameFault(error);
        if (fault === undefined) logger.error("Send stream on failed", { target: target.name, error });
        // A server that is away is tried for as long as the stream is there.
        else {
          const level = fault.code === this.#code ? "debug" : "info";
          logger[level]("Lose target of stream", { target: target.name, code: fault.code });
        }
        // It was there: what follows is another loss.
        if (this.#code === null) pauseMs = options.retryMinMs;
        this.#tell(fault?.code ?? "RESTREAM_LOST");
      }
      await clock.sleep(pauseMs, signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, options.retryMaxMs);
    }
  }

  /** Resolves when the stream is over. @throws RestreamError, PlayoutError, PublishError, OutboundError */
  async #push(signal: AbortSignal): Promise<void> {
    const { slug, target, streams } = this.#parts;
    const stream = streams.findStream(slug);
    if (stream === undefined) throw new RestreamError({ code: "RESTREAM_STREAM_AWAY" });
    if (stream.isUnbudgeted === true) throw new RestreamError({ code: "RESTREAM_UNBUDGETED" });
    const address = parseTarget(target.url);
    if (address.scheme === "srt") await this.#pushBySrt(stream, address, signal);
    else await this.#pushByRtmp(stream, address, signal);
  }

  async #pushBySrt(stream: PlayedStream, address: SrtAddress, signal: AbortSignal): Promise<void> {
    const { target, srt, feeds, clock, options, onSent } = this.#parts;
    const { timeoutMs } = options;
    const found = await this.#within(signal, (until) => this.#pin(address, until));
    const host = this.#addresses.next(found);
    const parts = { stream, rung: target.rung, host, address, srt, feeds, timeoutMs, onSent };
    const onGoing = () => {
      this.#addresses.worked();
      this.#tell(null);
    };
    await pushBySrt({ ...parts, nowMs: () => clock.nowMs(), onGoing }, signal);
  }

  async #pushByRtmp(stream: PlayedStream, address: RtmpAddress, signal: AbortSignal): Promise<void> {
    const { target, clock } = this.#parts;
    const carried = (codec: string) => codec === "h264" || codec === "aac";
    const tracks = chooseTracks(stream.window.renditions, target.rung, carried);
    const publisher = await this.#within(signal, async (until) => {
      const lookup = lookupPinned(await this.#pin(address, until));
      return RtmpPublisher.open(address.url, { lookup, signal: until });
    });
    const queue = new FrameQueue(stream, tracks, () => clock.nowMs());
    try {
      const to = new RtmpTarget(publisher);
      await this.#within(signal, (until) => unlessAborted(to.describe(stream.window.renditions, tracks), until));
      await this.#send(stream, queue, { publisher, to }, signal);
      await publisher.unpublish();
    } finally {
      queue.close();
      publisher.abort();
    }
  }

  #pin({ hostname }: Pick<TargetAddress, "hostname">, until: AbortSignal) {
    return unlessAborted(pinAddress(hostname, this.#parts.rules), until);
  }

  async #within<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#parts.options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await work(AbortSignal.any([timeout, signal]));
    } catch (error) {
      if (timeout.aborted) throw new RestreamError({ code: "RESTREAM_TIMEOUT", timeoutMs }, { cause: error });
      throw error;
    }
  }

  async #send(
    stream: PlayedStream,
    queue: FrameQueue,
    { publisher, to }: { readonly publisher: RtmpPublisher; readonly to: RtmpTarget },
    signal: AbortSignal,
  ): Promise<void> {
    const { timeoutMs } = this.#parts.options;
    const count = new SentCount({ stream, audience: undefined, onSent: this.#parts.onSent });
    for (;;) {
      const next = await queue.take(signal);
      if (next === undefined) return;
      let isStalled = false;
      const timer = setTimeout(() => {
        isStalled = true;
        publisher.abort();
      }, timeoutMs);
      try {
        await to.send(next);
      } catch (error) {
        if (isStalled) throw new RestreamError({ code: "RESTREAM_TIMEOUT", timeoutMs }, { cause: error });
        throw error;
      } finally {
        clearTimeout(timer);
      }
      count.add(next.rung, next.frame, next.sequence);
      this.#tell(null);
    }
  }

  #tell(code: string | null): void {
    if (this.#code === code) return;
    this.#code = code;
    this.#parts.onState(code);
  }
}

const publishCodes = {
  PUBLISH_URL_INVALID: () => new RestreamError({ code: "RESTREAM_URL_INVALID" }),
  PUBLISH_UNREACHABLE: () => new RestreamError({ code: "RESTREAM_UNREACHABLE", reason: "connection" }),
  PUBLISH_LOST: () => new RestreamError({ code: "RESTREAM_LOST" }),
  PUBLISH_INPUT_FAILED: () => new RestreamError({ code: "RESTREAM_LOST" }),
} as const;

/** What went wrong, in a word that the buyer may hear; undefined for a bug. A server's own words may hold the key. */
function nameFault(error: unknown): { readonly code: string } | undefined {
  if (error instanceof PublishError) {
    const { detail } = error;
    if (detail.code === "PUBLISH_REFUSED")
      return new RestreamError({ code: "RESTREAM_REFUSED", status: detail.status });
    return publishCodes[detail.code]();
  }
  if (error instanceof OutboundError) {
    const { detail } = error;
    if (detail.code !== "OUTBOUND_ADDRESS_REFUSED" && detail.code !== "OUTBOUND_NAME_UNKNOWN") {
      return new RestreamError({ code: "RESTREAM_UNREACHABLE", reason: detail.code });
    }
    const { host } = detail;
    const code = isIP(host) === 0 ? "RESTREAM_NAME_REFUSED" : "RESTREAM_ADDRESS_REFUSED";
    return new RestreamError({ code, host });
  }
  return isCodedError(error) ? error : undefined;
}
