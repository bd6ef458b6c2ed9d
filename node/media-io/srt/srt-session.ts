import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import { type PublishInfo, type PublishSink, passItems } from "../publish-sink.ts";
import type { SrtError } from "./errors.ts";
import type { SrtPublishTarget } from "./stream-id.ts";

/** Says yes with a sink, no with a CodedError. A key in `target` is a secret. */
export type AuthorizeSrt = (target: SrtPublishTarget, info: PublishInfo) => Promise<PublishSink>;

export interface SrtSessionParts {
  readonly address: string;
  readonly target: SrtPublishTarget;
  readonly authorize: AuthorizeSrt;
  readonly logger: Logger;
  /** These many bytes are read: others may come in their place. */
  readonly onTaken: (bytes: number) => void;
}

/**
 * One publisher's connection, from its being let in to its loss. SRT has no goodbye that differs from a loss: a
 * publisher that stops may always come back.
 */
export class SrtSession {
  readonly #parts: SrtSessionParts;
  readonly #gone = new AbortController();
  readonly #demuxer: TsDemuxer;
  /** Bounded by whoever sends: so much and no more before `onTaken`. */
  #waiting: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #lost: { readonly error: SrtError | undefined } | undefined;

  constructor(parts: SrtSessionParts) {
    this.#parts = parts;
    this.#demuxer = new TsDemuxer(({ kind, pid }) => {
      if (kind !== "data") parts.logger.warn("Ignore further tracks of SRT publisher", { kind, pid });
    });
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  /** Nothing more comes; without an error what came is still read. */
  lose(error: SrtError | undefined): void {
    this.#lost ??= { error };
    this.#gone.abort();
    this.#wake?.();
  }

  /** Resolves when it is over, with the code that the publisher may be told. Never rejects. */
  async run(): Promise<string | undefined> {
    const { address, target, authorize, logger } = this.#parts;
    let sink: PublishSink | undefined;
    let code: string | undefined;
    try {
      sink = await authorize(target, { protocol: "srt", address, signal: this.#gone.signal });
      await this.#serve(sink);
    } catch (error) {
      const found = isCodedError(error) ? error.code : "";
      // What ended a publish that was let in is no reason against the next one, unless it is the media itself.
      if (sink === undefined || /^(MPEGTS|BITSTREAM)_|^INGEST_LADDER_MISSING$/.test(found)) code = found;
      if (isCodedError(error)) logger.info("Refuse SRT publisher", { code: found });
      else logger.error("Serve SRT connection failed", { error });
    }
    try {
      await sink?.end({ clean: false, ...(code !== undefined && { code }) });
    } catch (error) {
      logger.error("End SRT publish failed", { error });
    }
    logger.debug("Close SRT connection", { ...this.#demuxer.stats });
    return code;
  }

  async #serve(sink: PublishSink): Promise<void> {
    for (;;) {
      if (this.#lost?.error !== undefined) throw this.#lost.error;
      const batches = this.#waiting;
      this.#waiting = [];
      for (const bytes of batches) {
        await passItems(sink, this.#demuxer.push(bytes));
        this.#parts.onTaken(bytes.length);
      }
      if (this.#waiting.length > 0) continue;
      if (this.#lost !== undefined) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    await passItems(sink, this.#demuxer.end());
  }
}
