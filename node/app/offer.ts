import type { Clock } from "@leat/node/kernel/clock.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { NodeCapacity, Prices } from "@leat/sdk/protocol/job.ts";
import { type SignedOffer, signOffer } from "@leat/sdk/protocol/offer-body.ts";
import type { Foundation } from "./foundation.ts";

export interface MeasuredCodec {
  readonly codec: VideoCodec;
  readonly pixelsPerSecond: number;
}

/** What of a node stands in its offer. */
export interface OfferFacts extends Pick<Foundation, "domain" | "httpUrl"> {
  readonly clock: Pick<Clock, "nowMs">;
  readonly config: {
    readonly node: Pick<Foundation["config"]["node"], "region" | "roles">;
    readonly sales: Pick<Foundation["config"]["sales"], "cluster" | "offerValidMs">;
  };
  readonly host: Pick<Foundation["host"], "multiaddrs">;
  readonly key: Pick<Foundation["key"], "signer">;
}

/** Makes this node's signed offer: what it can do, measured, and for how much. */
export class OfferWriter {
  readonly #foundation: OfferFacts;
  readonly #prices: ReadonlyMap<Address, Prices>;
  readonly #onOffer: (offer: SignedOffer) => void;
  #codecs: readonly MeasuredCodec[] = [];
  #held: SignedOffer | undefined;

  /** @param onOffer Hears each new offer: it is gossiped. */
  constructor(foundation: OfferFacts, prices: ReadonlyMap<Address, Prices>, onOffer: (offer: SignedOffer) => void) {
    this.#foundation = foundation;
    this.#prices = prices;
    this.#onOffer = onOffer;
  }

  /** What encoding real frames at start showed. */
  setCodecs(codecs: readonly MeasuredCodec[]): void {
    this.#codecs = codecs;
    this.#held = undefined;
  }

  /** The offer that stands: a new one when half of the last one's time is over. */
  async write(capacity: NodeCapacity): Promise<SignedOffer> {
    const { clock, config, domain, host, httpUrl, key } = this.#foundation;
    const nowMs = clock.nowMs();
    const halfMs = config.sales.offerValidMs / 2;
    if (this.#held !== undefined && Number(this.#held.body.validUntil) * 1_000 - nowMs > halfMs) return this.#held;
    const sold = [
      ["ingest", capacity.ingestStreams.total],
      ["transcode", capacity.transcodePixelsPerSecond.total],
      ["delivery", capacity.deliveryBytesPerSecond.total],
    ] as const;
    this.#held = await signOffer(key.signer, domain, {
      cluster: BigInt(config.sales.cluster),
      region: config.node.region,
      primitives: sold
        .filter(([primitive, amount]) => config.node.roles.includes(primitive) && amount > 0)
        .map(([primitive, amount]) => ({ primitive, capacity: amount })),
      codecs: this.#codecs.map(({ codec, pixelsPerSecond }) => ({ codec, pixelsPerSecond })),
      prices: [...this.#prices].map(([token, prices]) => ({ token, prices })),
      multiaddrs: host.multiaddrs(),
      httpUrl,
      // Milliseconds rise with every offer, also after a restart that forgot the last one's number.
      sequence: BigInt(nowMs),
      validUntil: BigInt(Math.floor((nowMs + config.sales.offerValidMs) / 1_000)),
    });
    this.#onOffer(this.#held);
    return this.#held;
  }
}
