import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DecodedLog } from "./event-reader.ts";

/** Channels that are remembered: more than a node ever has live, about 20 MB. */
const MAX_CHANNELS = 50_000;
/** Keys whose allotments on one channel are remembered: a payer has one or two, whoever asks with others gains nothing. */
const MAX_PARTS = 16;

/**
 * What the chain holds of channels, read once and then again only when an event names the channel: each change of a
 * channel has its event. A thousand channels looked at every few seconds cost no calls while nothing happens to them.
 */
export class ChannelCache<T> {
  readonly #found = new Map<Hex, Map<string, Promise<T>>>();

  /**
   * The answer of `read`, or of the last one that is still true.
   * @param part What of the channel is asked for, where there is more than one thing.
   */
  get(channel: Hex, read: () => Promise<T>, part = ""): Promise<T> {
    const parts = this.#found.get(channel) ?? new Map<string, Promise<T>>();
    const known = parts.get(part);
    if (known !== undefined) return known;
    const reading = read();
    this.#found.set(channel, parts.set(part, reading));
    if (parts.size > MAX_PARTS) parts.delete(parts.keys().next().value!);
    if (this.#found.size > MAX_CHANNELS) this.#found.delete(this.#found.keys().next().value!);
    // An endpoint that was away must be asked again.
    reading.catch(() => {
      if (parts.get(part) === reading) parts.delete(part);
    });
    return reading;
  }

  /** Call it when the view moves on to the block of these events: a read under way is of the block before. */
  forget(logs: readonly DecodedLog[]): void {
    for (const { args } of logs) {
      if (typeof args.channel === "string") this.#found.delete(args.channel as Hex);
    }
  }

  clear(): void {
    this.#found.clear();
  }
}
