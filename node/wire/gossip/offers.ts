import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { MAX_CLOCK_ERROR_SECONDS, MAX_OFFER_BYTES, MAX_OFFERS_HELD } from "@leat/sdk/protocol/limits.ts";
import { isOfferOver, type SignedOffer, signedOfferSchema, verifyOffer } from "@leat/sdk/protocol/offer-body.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { type GossipSub, type Message, TopicValidatorResult } from "@libp2p/gossipsub";
import type { PeerId } from "@libp2p/interface";
import type { Clock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { createCodec } from "../cbor.ts";
import type { HostService } from "../host.ts";
import { PeerRates } from "./peer-rates.ts";
import { OFFERS_TOPIC } from "./topics.ts";

/** However often an offer changes, peers hear of it no more often. */
export const MIN_PUBLISH_MS = 30_000;
/** An offer may not promise for longer than a day, by whatever clock. */
const MAX_VALID_S = BigInt(86_400 + MAX_CLOCK_ERROR_SECONDS);

export interface OfferGossipComponents {
  readonly host: HostService;
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** What all nodes offer, as heard. Gossip loses messages: a hint where to look, never the last word. */
export interface Offers {
  /** The newest offer of a node in a cluster, unless it has expired. */
  get(node: Address, cluster: bigint): SignedOffer | undefined;
  list(): SignedOffer[];
  /** Tells everybody, now or when 30 s have passed since the last time; only the newest is told. */
  publish(offer: SignedOffer): void;
  onOffer(listener: (offer: SignedOffer) => void): () => void;
}

const codec = createCodec(signedOfferSchema, MAX_OFFER_BYTES);

type Refusal = "size" | "form" | "expired" | "stale" | "rate" | "signature" | "full";

/** Starts after the host and stops before it. */
export class OfferGossip implements Offers, Startable {
  readonly #components: OfferGossipComponents;
  readonly #tasks: TaskGroup;
  readonly #rates: PeerRates;
  /** In the order of arrival: the first is the longest unheard of. */
  readonly #offers = new Map<string, SignedOffer>();
  readonly #listeners = new Set<(offer: SignedOffer) => void>();
  readonly #refused;
  readonly #published;
  #gossip: GossipSub | undefined;
  #pending: SignedOffer | undefined;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #isPublishing = false;

  constructor(components: OfferGossipComponents) {
    const { clock, metrics } = components;
    this.#components = components;
    this.#tasks = new TaskGroup({ clock });
    this.#rates = new PeerRates(clock);
    this.#refused = metrics.counter({
      name: "leat_gossip_refused_offers_total",
      help: "Offers that were not believed or not forwarded",
      labelNames: ["reason"],
    });
    this.#published = metrics.counter({ name: "leat_gossip_published_offers_total", help: "Own offers told to peers" });
    metrics.gauge({
      name: "leat_gossip_offers",
      help: "Offers of other nodes that are remembered",
      collect: () => this.#offers.size,
    });
  }

  async start(): Promise<void> {
    const gossip = this.#components.host.node.services.gossip;
    this.#gossip = gossip;
    gossip.topicValidators.set(OFFERS_TOPIC, (peer, message) => this.#validate(peer, message));
    gossip.subscribe(OFFERS_TOPIC);
    this.#tasks.every(60_000, () => this.#dropExpired());
    if (this.#pending !== undefined) this.publish(this.#pending);
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
    this.#gossip?.unsubscribe(OFFERS_TOPIC);
    this.#gossip?.topicValidators.delete(OFFERS_TOPIC);
    this.#gossip = undefined;
  }

  get(node: Address, cluster: bigint): SignedOffer | undefined {
    const offer = this.#offers.get(keyOf(node, cluster));
    return offer === undefined || isOfferOver(offer.body, this.#nowS()) ? undefined : offer;
  }

  list(): SignedOffer[] {
    const nowS = this.#nowS();
    return [...this.#offers.values()].filter((offer) => !isOfferOver(offer.body, nowS));
  }

  onOffer(listener: (offer: SignedOffer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(offer: SignedOffer): void {
    this.#pending = offer;
    if (this.#gossip === undefined || this.#isPublishing) return;
    this.#isPublishing = true;
    this.#tasks.run(async (signal) => {
      try {
        await this.#publishPending(signal);
      } finally {
        this.#isPublishing = false;
      }
    });
  }

  async #publishPending(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components;
    while (this.#pending !== undefined) {
      const waitMs = this.#publishedAtMs + MIN_PUBLISH_MS - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      const offer = this.#pending;
      this.#pending = undefined;
      this.#publishedAtMs = clock.nowMs();
      try {
        await this.#gossip?.publish(OFFERS_TOPIC, codec.encode(offer));
        this.#published.add();
      } catch (error) {
        // The next change, or the next renewal before the offer expires, comes anyway.
        logger.warn("Fail to publish offer", { error });
      }
    }
  }

  /** Cheap rules first, the signature last. Reject lowers the peer's score with gossip, ignore does not. */
  #validate(peer: PeerId, message: Message): TopicValidatorResult {
    const { data } = message;
    if (data.byteLength > MAX_OFFER_BYTES) return this.#refuse("size", TopicValidatorResult.Reject);
    if (!this.#rates.allow(peer.toString())) return this.#refuse("rate", TopicValidatorResult.Ignore);
    let offer: SignedOffer;
    try {
      offer = codec.decode(data);
    } catch {
      return this.#refuse("form", TopicValidatorResult.Reject);
    }
    const { node, body } = offer;
    const nowS = this.#nowS();
    if (isOfferOver(body, nowS) || body.validUntil > nowS + MAX_VALID_S) {
      return this.#refuse("expired", TopicValidatorResult.Ignore);
    }
    const key = keyOf(node, body.cluster);
    const held = this.#offers.get(key);
    if (held !== undefined && held.body.sequence >= body.sequence) {
      return this.#refuse("stale", TopicValidatorResult.Ignore);
    }
    try {
      verifyOffer(this.#components.statements, this.#components.domain, offer, nowS);
    } catch {
      return this.#refuse("signature", TopicValidatorResult.Reject);
    }
    // Anyone can make keys without number: who was there first is not pushed out by who came last.
    if (held === undefined && this.#offers.size >= MAX_OFFERS_HELD && !this.#dropExpired()) {
      return this.#refuse("full", TopicValidatorResult.Ignore);
    }
    this.#offers.delete(key);
    this.#offers.set(key, offer);
    this.#tell(offer);
    return TopicValidatorResult.Accept;
  }

  #tell(offer: SignedOffer): void {
    for (const listener of this.#listeners) {
      try {
        listener(offer);
      } catch (error) {
        this.#components.logger.error("Fail in offer listener", { error });
      }
    }
  }

  #refuse(reason: Refusal, result: TopicValidatorResult): TopicValidatorResult {
    this.#refused.add(1, { reason });
    return result;
  }

  /** True when there is room now. */
  #dropExpired(): boolean {
    const nowS = this.#nowS();
    for (const [key, offer] of this.#offers) if (isOfferOver(offer.body, nowS)) this.#offers.delete(key);
    return this.#offers.size < MAX_OFFERS_HELD;
  }

  #nowS(): bigint {
    return BigInt(Math.floor(this.#components.clock.nowMs() / 1_000));
  }
}

function keyOf(node: Address, cluster: bigint): string {
  return `${node}/${cluster}`;
}
