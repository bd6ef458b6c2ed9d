import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Waiters } from "./reload.ts";
import type { HlsPart, HlsStream, HlsWindow } from "./stream.ts";

/**
 * A segment lasts four seconds: who has not got one after so long does not play it, and is let go of. It is as long as a
 * publisher may take to come back: what was begun before ends then, and a player that was cut off would fetch it anew.
 */
export const LONGEST_TRANSFER_MS = 30_000;

export interface OpenTransfer {
  readonly info: RenditionInfo;
  readonly sequence: number;
  readonly response: ServerResponse;
  /** The part went out. */
  readonly onSent: (part: HlsPart) => void;
}

/** Segments that go out while they are being written. */
export class OpenBodies {
  readonly #waiters: Waiters;
  readonly #clock: Clock;

  constructor(waiters: Waiters, clock: Clock) {
    this.#waiters = waiters;
    this.#clock = clock;
  }

  /**
   * The segment's parts, each when it is there and those before it were taken: nothing is kept for a viewer but the part
   * that it takes. It ends with the segment, also with one that ends early or with its stream. Where that, or the viewer,
   * takes too long, it is cut off, which no cache takes for the whole.
   */
  of(stream: HlsStream, { info, sequence, response, onSent }: OpenTransfer): Readable {
    const { window } = stream;
    const over = new AbortController();
    let next = 0;
    let given: HlsPart | undefined;
    const settle = () => {
      if (given !== undefined) onSent(given);
      given = undefined;
    };
    const advance = async () => {
      // Asked for more: what was given before has drained.
      settle();
      await this.#untilPart(window, info.name, { sequence, part: next }, { response, body });
      if (body.destroyed) return;
      const part = window.part(info.name, sequence, next);
      const bytes = part === undefined ? undefined : stream.partBytes(info.rung, sequence, next);
      if (bytes !== undefined) {
        given = part;
        next += 1;
        body.push(bytes);
      } else if (part === undefined && window.segment(info.name, sequence) !== undefined) body.push(null);
      else body.destroy();
    };
    const body = new Readable({ highWaterMark: 0, read: () => void advance().catch((error) => body.destroy(error)) });
    body.once("close", () => over.abort());
    response.once("finish", settle);
    this.#clock.sleep(LONGEST_TRANSFER_MS, over.signal).then(
      () => body.destroy(),
      () => {},
    );
    return body;
  }

  /** Resolves when the part is there or will not come, the viewer has gone, or the server closes. */
  async #untilPart(
    window: HlsWindow,
    name: string,
    { sequence, part }: { readonly sequence: number; readonly part: number },
    { response, body }: { readonly response: ServerResponse; readonly body: Readable },
  ): Promise<void> {
    const isSettled = () => window.part(name, sequence, part) !== undefined || !window.isOpen(name, sequence);
    while (!isSettled() && !body.destroyed && !this.#waiters.isClosed) {
      await this.#waiters.until(window, `${name} ${sequence}+${part}`, isSettled, response);
    }
  }

  /** Resolves when the segment is whole, the viewer has gone, the server closes, or after a while. */
  untilWhole(window: HlsWindow, name: string, sequence: number, response: ServerResponse): Promise<void> {
    return this.#waiters.until(window, `${name} ${sequence} whole`, () => !window.isOpen(name, sequence), response);
  }
}
