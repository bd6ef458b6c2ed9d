import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import fc from "fast-check";

export interface CodecUnderTest<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

export interface CodecSuite<T> {
  readonly name: string;
  readonly codec: CodecUnderTest<T>;
  readonly values: fc.Arbitrary<T>;
  /** Every refusal of bytes is a coded error with one of these. */
  readonly refusals: readonly string[];
  /** Values whose last field runs to the end of the bytes: cut short they read as another value, or are refused. */
  readonly isOpenEnded?: (value: T) => boolean;
  readonly numRuns?: number;
}

/** What every codec must pass: round trip, one encoding, cut short, too long, random bytes. */
export function testCodec<T>({ name, codec, values, refusals, isOpenEnded, numRuns = 100 }: CodecSuite<T>): void {
  const decodeOrRefuse = (bytes: Uint8Array): T | undefined => {
    try {
      return codec.decode(bytes);
    } catch (error) {
      if (isCodedError(error) && refusals.includes(error.code)) return undefined;
      throw error;
    }
  };

  describe(`codec of ${name}`, () => {
    it("gives back exactly what went in", () => {
      fc.assert(
        fc.property(values, (value) => {
          assert.deepEqual(codec.decode(codec.encode(value)), value);
        }),
        { numRuns },
      );
    });

    it("gives the same bytes for the same value", () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = codec.encode(value);
          assert.deepEqual(codec.encode(codec.decode(bytes)), bytes);
        }),
        { numRuns },
      );
    });

    it("refuses a message that is cut short", () => {
      fc.assert(
        fc.property(values, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (value, share) => {
          const bytes = codec.encode(value);
          const found = decodeOrRefuse(bytes.subarray(0, Math.floor(bytes.length * share)));
          if (isOpenEnded?.(value)) assert.notDeepEqual(found, value);
          else assert.equal(found, undefined);
        }),
        { numRuns },
      );
    });

    it("refuses bytes behind a message, or reads them as another value", () => {
      fc.assert(
        fc.property(values, fc.uint8Array({ minLength: 1, maxLength: 8 }), (value, rest) => {
          const found = decodeOrRefuse(Uint8Array.from([...codec.encode(value), ...rest]));
          if (found !== undefined) assert.notDeepEqual(found, value);
        }),
        { numRuns },
      );
    });

    it("survives random bytes", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
          decodeOrRefuse(bytes);
        }),
        { numRuns: 5 * numRuns },
      );
    });

    it("survives a message with altered bytes", () => {
      fc.assert(
        fc.property(
          values,
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          (value, changes) => {
            const bytes = Uint8Array.from(codec.encode(value));
            for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
            decodeOrRefuse(bytes);
          },
        ),
        { numRuns: 2 * numRuns },
      );
    });
  });
}
