import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { EscrowChannel } from "./contracts.ts";
import type { DecodedLog } from "./event-reader.ts";

/** Channels that are remembered: more than a node ever has live, about 20 MB. */
const MAX_CHANNELS = 50_000;

/**
 * What the chain holds of channels, read once and then again only when an event names the channel: each change of a
 * channel has its event. A thousand channels looked at every few seconds cost no calls while nothing happens to them.
 */
export class ChannelCache {
  readonly #found = new Map<Hex, Promise<EscrowChannel>>();

  /** The answer of `read`, or of the last one that is still true. */
  get(channel: Hex, read: () => Promise<EscrowChannel>): Promise<EscrowChannel> {
    const known = this.#found.get(channel);
    if (known !== undefined) return known;
    const reading = read();
    this.#found.set(channel, reading);
    if (this.#found.size > MAX_CHANNELS) this.#found.delete(this.#found.keys().next().value!);
    // An endpoint that was away must be asked again.
    reading.catch(() => {
      if (this.#found.get(channel) === reading) this.#found.delete(channel);
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
