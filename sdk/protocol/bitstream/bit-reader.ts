import { CodedError } from "../../base/errors.ts";

export class BitstreamError extends CodedError<
  | { code: "BITSTREAM_TRUNCATED" }
  | { code: "BITSTREAM_INVALID"; what: string; found?: number }
  | { code: "BITSTREAM_UNSUPPORTED"; what: string; found?: number }
> {}

/** Reads bits, most significant first, and refuses to read past the end. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Up to 32 bits. */
  bits(count: number): number {
    if (this.#position + count > this.#bytes.length * 8) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    let value = 0;
    for (let index = 0; index < count; index += 1) {
      const bit = (this.#bytes[this.#position >> 3]! >> (7 - (this.#position & 7))) & 1;
      value = value * 2 + bit;
      this.#position += 1;
    }
    return value;
  }

  /** Whole ones. */
  get leftBytes(): number {
    return this.#bytes.length - Math.ceil(this.#position / 8);
  }

  skip(bytes: number): void {
    if (bytes > this.leftBytes) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    this.#position += bytes * 8;
  }

  flag(): boolean {
    return this.bits(1) === 1;
  }

  /** Unsigned Exp-Golomb. */
  unsigned(): number {
    let zeros = 0;
    while (!this.flag()) {
      zeros += 1;
      if (zeros > 31) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "exp-golomb", found: zeros });
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
  }
}
