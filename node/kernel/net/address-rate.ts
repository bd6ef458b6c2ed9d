import { isIP } from "node:net";
import type { Clock } from "../clock.ts";
import { TokenBucket, type TokenBucketOptions } from "../token-bucket.ts";

/** Of one address. */
export interface AddressRateOptions extends TokenBucketOptions {
  /** Addresses remembered at once, some 150 bytes each; the least recently seen is forgotten first. */
  readonly maxAddresses: number;
}

/** Bounds what one address does, in bounded memory. A subscriber of IPv6 has a /64: it counts as one address. */
export class AddressRate {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #options: AddressRateOptions;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(clock: Pick<Clock, "nowMs">, options: AddressRateOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether there is one left, without taking it. */
  isLeft(address: string): boolean {
    return this.#find(address).left >= 1;
  }

  /** Takes one; false when there is none. */
  take(address: string): boolean {
    return this.#keep(address).take();
  }

  /** Takes one also where there is none: what was tried at once has to be waited for afterwards. */
  charge(address: string): void {
    this.#keep(address).charge();
  }

  #keep(address: string): TokenBucket {
    const bucket = this.#find(address);
    const key = networkOf(address);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#options.maxAddresses) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }

  #find(address: string): TokenBucket {
    return this.#buckets.get(networkOf(address)) ?? new TokenBucket(this.#clock, this.#options);
  }
}

/** The address, or the /64 that it is in. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("%")[0]!.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const groups = [...front, ...Array<string>(zeros).fill("0"), ...back].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
