import { isIP } from "node:net";
import type { Clock } from "../clock.ts";

export interface AddressRateOptions {
  /** What one address may do at once. */
  readonly burst: number;
  /** How long it takes until all of it is there again. */
  readonly refillMs: number;
  /** Addresses remembered at once, some 150 bytes each; the least recently seen is forgotten first. */
  readonly maxAddresses: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Bounds what one address does, in bounded memory. A subscriber of IPv6 has a /64: it counts as one address. */
export class AddressRate {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #options: AddressRateOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Pick<Clock, "nowMs">, options: AddressRateOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether there is one left, without taking it. */
  isLeft(address: string): boolean {
    return this.#fill(address).left >= 1;
  }

  /** Takes one; false when there is none. */
  take(address: string): boolean {
    const bucket = this.#keep(address);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }

  /** Takes one also where there is none: what was tried at once has to be waited for afterwards. */
  charge(address: string): void {
    this.#keep(address).left -= 1;
  }

  #keep(address: string): Bucket {
    const bucket = this.#fill(address);
    const key = networkOf(address);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#options.maxAddresses) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }

  #fill(address: string): Bucket {
    const { burst, refillMs } = this.#options;
    const nowMs = this.#clock.nowMs();
    const known = this.#buckets.get(networkOf(address));
    if (known === undefined) return { left: burst, atMs: nowMs };
    known.left = Math.min(burst, known.left + (Math.max(0, nowMs - known.atMs) * burst) / refillMs);
    known.atMs = nowMs;
    return known;
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
