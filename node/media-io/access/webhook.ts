import { createHash, randomUUID } from "node:crypto";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { MAX_WEBHOOK_TTL_SECONDS, type WebhookPolicy } from "@leat/sdk/protocol/playback.ts";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import type { Clock } from "../../kernel/clock.ts";
import { AddressRate } from "../../kernel/net/address-rate.ts";
import { OutboundError } from "../../kernel/net/pinned-address.ts";
import { judgeTarget, type PinnedRequestOptions, postPinned } from "../../kernel/net/pinned-request.ts";
import { signWebhook } from "../../kernel/net/webhook-signature.ts";
import { PlaybackError } from "./errors.ts";
import { PolicyError } from "./policy.ts";
import type { Guarded, OwnerAsker, ViewerRequest } from "./viewer-access.ts";

export const accessOptions = Type.Object(
  {
    webhookTimeoutMs: Type.Integer({
      default: 3_000,
      minimum: 100,
      maximum: 30_000,
      description: "Longest that a stream's owner may take to say whether a viewer may watch, milliseconds",
    }),
    webhooksAtOnce: Type.Integer({
      default: 64,
      minimum: 1,
      maximum: 1_000,
      description: "Questions to owners of streams at one time; an eighth of them, or one, about streams of one buyer",
    }),
    webhooksPerMinute: Type.Integer({
      default: 120,
      minimum: 1,
      maximum: 100_000,
      description: "New questions to owners in a minute for which one address is the reason",
    }),
    allowPrivateWebhooks: Type.Boolean({
      default: false,
      description: "Whether an owner's server may stand in a private network or on this machine, and speak plain http",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type AccessOptions = Static<typeof accessOptions>;

const answerSchema = Type.Object({
  allow: Type.Boolean(),
  ttlSeconds: Type.Optional(Type.Number({ minimum: 0 })),
});

export interface WebhookComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolve?: PinnedRequestOptions["resolve"];
}

type Verdict = "allowed" | "refused" | "unreachable";

interface Known {
  readonly verdict: Verdict;
  readonly untilMs: number;
}

/** What the owner is told of a viewer. */
interface Told {
  readonly stream: string;
  readonly slug: string;
  readonly token: string | null;
  readonly address: string | null;
  readonly origin: string | null;
  readonly protocol: string;
}

/** Where the owner names none. */
const USUAL_TTL_SECONDS = 30;
/** How long a server that did not answer is left alone: a viewer's player asks again every second. */
const FAILED_TTL_MS = 2_000;
/**
 * How long an answer stands after its time while there is no place to ask anew: whoever watches would be thrown out by
 * a rush of others, and nothing was said against it.
 */
const BUSY_TTL_MS = 60_000;
/** Answers remembered, some 200 bytes each, whatever was asked with. */
const MAX_KNOWN = 20_000;
/** An answer has two fields. */
const MAX_ANSWER_BYTES = 4_096;
const MAX_WAITING_PER_BUYER = 64;

/** Asks a stream's owner about each viewer once, for a while. Who cannot be asked has not agreed. */
export class WebhookAsker implements OwnerAsker {
  readonly #components: WebhookComponents;
  readonly #options: AccessOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Verdict>>();
  readonly #lines = new Map<string, { running: number; readonly waiting: (() => void)[] }>();
  readonly #rate: AddressRate;
  #running = 0;

  constructor(components: WebhookComponents, options: AccessOptions) {
    this.#components = components;
    this.#options = options;
    const burst = options.webhooksPerMinute;
    this.#rate = new AddressRate(components.clock, { burst, refillMs: 60_000, maxAddresses: 10_000 });
  }

  async ask(policy: WebhookPolicy, guarded: Guarded, viewer: ViewerRequest): Promise<void> {
    const verdict = await this.#find(policy, guarded, viewer);
    if (verdict === "refused") throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_REFUSED" });
    if (verdict === "unreachable" && policy.failOpen !== true) {
      throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_UNREACHABLE" });
    }
  }

  /** Refuses what would shut every viewer out. @throws PLAYBACK_WEBHOOK_SCHEME_REFUSED, PLAYBACK_WEBHOOK_ADDRESS_REFUSED */
  async judge(url: URL): Promise<void> {
    try {
      await judgeTarget(url, { allowPrivate: this.#options.allowPrivateWebhooks });
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      const { detail } = error;
      if (detail.code === "OUTBOUND_SCHEME_REFUSED") {
        throw new PolicyError({ code: "PLAYBACK_WEBHOOK_SCHEME_REFUSED", scheme: detail.scheme });
      }
      if (detail.code === "OUTBOUND_ADDRESS_REFUSED") {
        throw new PolicyError({ code: "PLAYBACK_WEBHOOK_ADDRESS_REFUSED", host: detail.host });
      }
      throw error;
    }
  }

  async #find(policy: WebhookPolicy, guarded: Guarded, viewer: ViewerRequest): Promise<Verdict> {
    const { clock } = this.#components;
    const { address = null, origin = null, token = null, protocol, from = address } = viewer;
    const told: Told = { stream: guarded.id, slug: guarded.slug, token, address, origin, protocol };
    // What the owner says of one is said of no other.
    const key = createHash("sha256")
      .update(JSON.stringify([policy.url, policy.secret, told]))
      .digest("base64");
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > clock.nowMs()) return known.verdict;
    try {
      return await (this.#asking.get(key) ?? this.#askNow(key, policy, told, from));
    } catch (error) {
      const isBusy = error instanceof PlaybackError && error.code === "PLAYBACK_WEBHOOK_BUSY";
      if (!isBusy || known === undefined || known.untilMs + BUSY_TTL_MS <= clock.nowMs()) throw error;
      if (known.verdict === "refused") throw error;
      return known.verdict;
    }
  }

  async #askNow(key: string, policy: WebhookPolicy, told: Told, from: string | null): Promise<Verdict> {
    const { clock } = this.#components;
    if (from !== null && !this.#rate.take(from)) throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_BUSY" });
    const asking = this.#inLine(policy.buyer ?? told.stream, async () => {
      const { verdict, ttlMs } = await this.#post(policy, JSON.stringify(told));
      this.#known.delete(key);
      this.#known.set(key, { verdict, untilMs: clock.nowMs() + ttlMs });
      if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
      return verdict;
    }).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #post({ url, secret }: WebhookPolicy, body: string): Promise<{ verdict: Verdict; ttlMs: number }> {
    const { clock, logger, resolve } = this.#components;
    const headers = signWebhook(secret, { id: randomUUID(), body, nowMs: clock.nowMs() });
    let reason: string;
    try {
      const answer = await postPinned(
        url,
        { headers, body },
        {
          allowPrivate: this.#options.allowPrivateWebhooks,
          timeoutMs: this.#options.webhookTimeoutMs,
          maxAnswerBytes: MAX_ANSWER_BYTES,
          ...(resolve === undefined ? {} : { resolve }),
        },
      );
      const said = readAnswer(answer.status, answer.body);
      if (said !== undefined) return said;
      reason = `status ${answer.status}`;
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      reason = error.code;
    }
    logger.debug("Ask owner of stream failed", { reason });
    return { verdict: "unreachable", ttlMs: FAILED_TTL_MS };
  }

  /**
   * A buyer whose server is slow holds up its own viewers; it takes eight of them to hold up others'. Streams and
   * addresses cost a buyer little: their number brings it no more places.
   */
  async #inLine<T>(buyer: string, work: () => Promise<T>): Promise<T> {
    const most = this.#options.webhooksAtOnce;
    const line = this.#lines.get(buyer) ?? { running: 0, waiting: [] };
    if (line.running >= Math.max(1, Math.floor(most / 8))) {
      if (line.waiting.length >= MAX_WAITING_PER_BUYER) throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_BUSY" });
      // Woken with the place of the one that left.
      await new Promise<void>((resolve) => line.waiting.push(resolve));
    } else {
      if (this.#running >= most) throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_BUSY" });
      this.#lines.set(buyer, line);
      line.running += 1;
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = line.waiting.shift();
      if (next !== undefined) next();
      else {
        line.running -= 1;
        this.#running -= 1;
        if (line.running === 0) this.#lines.delete(buyer);
      }
    }
  }
}

/** Undefined where nothing was said that can be understood. */
function readAnswer(status: number, body: Uint8Array): { verdict: Verdict; ttlMs: number } | undefined {
  const usual = USUAL_TTL_SECONDS * 1_000;
  if (status === 401 || status === 403) return { verdict: "refused", ttlMs: usual };
  if (status !== 200) return undefined;
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Value.Check(answerSchema, said)) return undefined;
  const ttlMs = Math.min(said.ttlSeconds ?? USUAL_TTL_SECONDS, MAX_WEBHOOK_TTL_SECONDS) * 1_000;
  return { verdict: said.allow ? "allowed" : "refused", ttlMs };
}
