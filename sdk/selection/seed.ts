import { bytesToHex, type Hex, hexToBytes } from "../protocol/hex.ts";
import { keccak256 } from "../protocol/keccak.ts";
import { SelectionError } from "./parameters.ts";

/**
 * A balancer's chain of seeds for one epoch. It commits to the anchor before it knows a single job, then reveals
 * preimages in order, so that it can neither choose a seed nor skip one unseen.
 */
export interface SeedChain {
  readonly anchor: Hex;
  readonly length: number;
  /** The `index`-th preimage from 1: hashed `index` times it is the anchor. */
  preimage(index: number): Hex;
}

/** `secret` is 32 random bytes that never leave the balancer before the whole chain is spent. */
export function createSeedChain(secret: Uint8Array, length: number): SeedChain {
  const links: Uint8Array[] = [secret];
  for (let index = 0; index < length; index += 1) links.push(keccak256(links[index]!));
  return {
    anchor: bytesToHex(links[length]!),
    length,
    preimage(index) {
      if (!Number.isInteger(index) || index < 1 || index > length) {
        throw new SelectionError({ code: "SELECTION_CHAIN_SPENT", length });
      }
      return bytesToHex(links[length - index]!);
    },
  };
}

/** Whether `preimage` is the `index`-th of the chain that ends at `anchor`. */
export function verifyPreimage(anchor: Hex, index: number, preimage: Hex): boolean {
  let link = hexToBytes(preimage, 32);
  for (let step = 0; step < index; step += 1) link = keccak256(link);
  return bytesToHex(link) === anchor;
}

/** keccak256(preimage, buyer's nonce, job, attempt as uint32): neither side alone can steer it. */
export function deriveSeed(preimage: Hex, buyerNonce: Hex, job: Hex, attempt: number): Hex {
  const bytes = new Uint8Array(100);
  bytes.set(hexToBytes(preimage, 32), 0);
  bytes.set(hexToBytes(buyerNonce, 32), 32);
  bytes.set(hexToBytes(job, 32), 64);
  new DataView(bytes.buffer).setUint32(96, attempt);
  return bytesToHex(keccak256(bytes));
}

/** An endless stream of fair integers from one seed: keccak256(seed, counter as uint32), 64 bits at a time. */
export class SeedStream {
  readonly #input: Uint8Array;
  #block = new Uint8Array(0);
  #used = 0;
  #counter = 0;

  constructor(seed: Hex) {
    this.#input = new Uint8Array(36);
    this.#input.set(hexToBytes(seed, 32), 0);
  }

  /** Uniform in [0, bound): values beyond the last whole multiple of `bound` are thrown away, so none is favoured. */
  below(bound: number): number {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new SelectionError({ code: "SELECTION_NUMBER_INVALID", field: "bound", value: bound });
    }
    const wide = BigInt(bound);
    const limit = 2n ** 64n - (2n ** 64n % wide);
    for (;;) {
      const word = this.#nextWord();
      if (word < limit) return Number(word % wide);
    }
  }

  #nextWord(): bigint {
    if (this.#used + 8 > this.#block.length) {
      new DataView(this.#input.buffer).setUint32(32, this.#counter);
      this.#counter += 1;
      this.#block = Uint8Array.from(keccak256(this.#input));
      this.#used = 0;
    }
    const word = new DataView(this.#block.buffer).getBigUint64(this.#used);
    this.#used += 8;
    return word;
  }
}
