import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { parseSplice } from "@leat/sdk/protocol/bitstream/splice.ts";
import type { PublishedCue } from "@leat/sdk/protocol/published.ts";
import { type TsClock, toMs } from "./ts-clock.ts";

/** Undefined for a section at which nothing happens, or that cannot be read. The clock may be moved. */
export function readCue(section: Uint8Array, clock: TsClock): PublishedCue | undefined {
  try {
    const [splice] = parseSplice(section);
    if (splice === undefined) return undefined;
    const command = Uint8Array.from(section);
    return splice.ticks === undefined ? { command } : { command, atMs: toMs(clock.unwrap(splice.ticks)) };
  } catch (error) {
    if (error instanceof BitstreamError) return undefined;
    throw error;
  }
}
