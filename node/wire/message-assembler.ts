import { WireError } from "./errors.ts";

/** A message is a 4-byte big-endian length and that many bytes. */
export const HEADER_BYTES = 4;

/** Below it, one copy is cheaper than one more transport frame. */
const COPY_BYTES = 16_384;

/** A byte run as streams give it: whole, or a list of runs. */
export type ByteRuns = Uint8Array | (Iterable<Uint8Array> & { readonly byteLength: number });

/**
 * What to write for messages that go out together, each given in pieces: their lengths and contents in as few runs as can
 * be, the last piece of each uncopied where it is large.
 */
export function frameMessages(messages: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  const runs: Uint8Array[] = [];
  let copied: Uint8Array[] = [];
  for (const pieces of messages) {
    copied.push(headerOf(pieces), ...pieces);
    const last = copied.at(-1)!;
    if (last.byteLength < COPY_BYTES) continue;
    runs.push(Buffer.concat(copied.slice(0, -1)), last);
    copied = [];
  }
  if (copied.length > 0) runs.push(Buffer.concat(copied));
  return runs;
}

function headerOf(pieces: readonly Uint8Array[]): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, sizeOf(pieces));
  return header;
}

/** Bytes of one message that is given in pieces. */
export function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Cuts a byte stream into messages. Holds at most one message and what arrived behind it. */
export class MessageAssembler {
  readonly #maxMessageBytes: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #wantedBytes: number | undefined;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** How many bytes complete what has begun; 0 between two messages. */
  get missingBytes(): number {
    if (this.#wantedBytes !== undefined) return this.#wantedBytes - this.#bytes;
    return this.#bytes === 0 ? 0 : HEADER_BYTES - this.#bytes;
  }

  push(data: ByteRuns): void {
    if (data instanceof Uint8Array) this.#chunks.push(data);
    else for (const chunk of data) this.#chunks.push(chunk);
    this.#bytes += data.byteLength;
  }

  /** The next whole message. Throws for a length that is not allowed, before anything is held for it. */
  take(): Uint8Array | undefined {
    if (this.#wantedBytes === undefined) {
      if (this.#bytes < HEADER_BYTES) return undefined;
      const size = new DataView(this.#takeBytes(HEADER_BYTES).buffer).getUint32(0);
      const maxBytes = this.#maxMessageBytes;
      if (size > maxBytes) throw new WireError({ code: "WIRE_MESSAGE_TOO_LARGE", sizeBytes: size, maxBytes });
      if (size === 0) throw new WireError({ code: "WIRE_MESSAGE_EMPTY" });
      this.#wantedBytes = size;
    }
    if (this.#bytes < this.#wantedBytes) return undefined;
    const message = this.#takeBytes(this.#wantedBytes);
    this.#wantedBytes = undefined;
    return message;
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#wantedBytes = undefined;
  }

  /** A copy: a message that is kept must not keep the chunks of others in memory. */
  #takeBytes(count: number): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(count);
    let filled = 0;
    let used = 0;
    while (filled < count) {
      const chunk = this.#chunks[used]!;
      const part = Math.min(chunk.byteLength, count - filled);
      taken.set(part === chunk.byteLength ? chunk : chunk.subarray(0, part), filled);
      filled += part;
      if (part === chunk.byteLength) used += 1;
      else this.#chunks[used] = chunk.subarray(part);
    }
    if (used > 0) this.#chunks.splice(0, used);
    this.#bytes -= count;
    return taken;
  }
}
