import { randomBytes } from "node:crypto";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { OutboundError } from "@leat/node/kernel/net/pinned-address.ts";
import { isLiteral, judgeTarget, type PinnedRequestOptions, postPinned } from "@leat/node/kernel/net/pinned-request.ts";
import { signWebhook } from "@leat/node/kernel/net/webhook-signature.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { EndpointRow, EventRow, WebhookStore } from "@leat/node/store/sql/webhook-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type EndpointRequest, type EventType, eventTypes, type WebhookEvent } from "@leat/sdk/protocol/events.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";
import { WebhookError } from "./errors.ts";

export const webhookOptions = Type.Object(
  {
    timeoutMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 60_000,
      description: "Longest that an account's server may take to acknowledge an event, milliseconds",
    }),
    retryMinMs: Type.Integer({
      default: 5_000,
      minimum: 10,
      description: "Pause before an event that was not acknowledged is sent again, milliseconds; it doubles",
    }),
    retryMaxMs: Type.Integer({
      default: 1_800_000,
      minimum: 10,
      description: "Longest pause before an event is sent again, milliseconds",
    }),
    giveUpMs: Type.Integer({
      default: 86_400_000,
      minimum: 1_000,
      description: "Age at which an event that nobody acknowledged is given up, milliseconds",
    }),
    queuedEvents: Type.Integer({
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
      description: "Events that wait for one server; more are dropped and counted",
    }),
    endpointsPerAccount: Type.Integer({
      default: 5,
      minimum: 1,
      maximum: 100,
      description: "Servers that one account may have told of events",
    }),
    endpoints: Type.Integer({
      default: 20_000,
      minimum: 1,
      maximum: 1_000_000,
      description: "Servers that all accounts together may have told of events",
    }),
    allowPrivate: Type.Boolean({
      default: false,
      description:
        "Whether an account's server may stand in a private network or on this machine, and speak plain http",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type WebhookOptions = Static<typeof webhookOptions>;

/** Something that happened, for whom. Of two with one id an endpoint is told one. */
export interface NewsItem {
  readonly id: string;
  readonly type: EventType;
  readonly account: Address;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Takes what happened. Resolves when it is on disk, and never rejects: what happens does not wait for who is told. */
export interface NewsDesk {
  tell(item: NewsItem): Promise<void>;
}

/** An endpoint as its account sees it. */
export interface EndpointView extends Pick<EndpointRow, "id" | "url" | "events" | "createdAtMs"> {
  /** Why the last event that was sent was not acknowledged; null where it was, or none was sent since the start. */
  readonly lastFailure: EndpointFailure | null;
}

export interface EndpointFailure {
  /** `status 500`, or the code of what went wrong before there was a status. */
  readonly reason: string;
  readonly atMs: number;
}

export interface Webhooks {
  add(account: Address, request: EndpointRequest): Promise<EndpointView>;
  list(account: Address): EndpointView[];
  remove(account: Address, id: string): Promise<void>;
}

export interface WebhookServiceComponents {
  readonly store: WebhookStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
  readonly resolve?: PinnedRequestOptions["resolve"];
}

/** Answers that are read at most: only the status counts. */
const MAX_ANSWER_BYTES = 65_536;
/** How long events that are done are remembered, so that none is told again when it happens to be noted again. */
const REMEMBER_MS = 86_400_000;
const FORGET_EVERY_MS = 600_000;
/** Events on their way at one time, to all endpoints. */
const SENDING_AT_ONCE = 32;

interface Live {
  readonly row: EndpointRow;
  readonly removed: AbortController;
  isTelling: boolean;
  lastFailure: EndpointFailure | null;
  /** Something was put meanwhile. */
  isStale: boolean;
}

/** Tells accounts' servers what happened: in order for each, at least once, for a day, over restarts. */
export class WebhookService implements Webhooks, NewsDesk, Startable {
  readonly #components: WebhookServiceComponents;
  readonly #options: WebhookOptions;
  readonly #tasks: TaskGroup;
  readonly #endpoints = new Map<string, Live>();
  /** The same by whose they are. */
  readonly #ofAccount = new Map<Address, Set<Live>>();
  readonly #turns: (() => void)[] = [];
  readonly #told;
  #sending = 0;

  constructor(components: WebhookServiceComponents, options: WebhookOptions) {
    const { clock, logger, metrics } = components;
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Tell event failed", { error }) });
    this.#told = metrics.counter({
      name: "leat_webhook_events_total",
      help: "Events for accounts' servers, by what became of them",
      labelNames: ["result"],
    });
  }

  async start(): Promise<void> {
    for (const row of await this.#components.store.endpoints()) this.#take(row);
    for (const live of this.#endpoints.values()) this.#kick(live);
    this.#tasks.every(FORGET_EVERY_MS, () => {
      return this.#components.store.forget(this.#components.clock.nowMs() - REMEMBER_MS);
    });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async add(account: Address, request: EndpointRequest): Promise<EndpointView> {
    const { endpointsPerAccount: most, endpoints: mostInAll } = this.#options;
    const url = URL.parse(request.url);
    if (url === null || url.username !== "" || url.password !== "" || url.hash !== "") {
      const message = "the address cannot be read, or has a name, a password or a fragment in it";
      throw new WebhookError({ code: "WEBHOOK_URL_INVALID" }, { message });
    }
    await this.#judge(url);
    if (this.list(account).length >= most) {
      const message = `an account has ${most} endpoints at most; remove one first`;
      throw new WebhookError({ code: "WEBHOOK_ENDPOINTS_MANY", most }, { message });
    }
    if (this.#endpoints.size >= mostInAll) {
      throw new WebhookError({ code: "WEBHOOK_ENDPOINTS_FULL" });
    }
    const { secret, events = eventTypes } = request;
    const id = randomBytes(12).toString("base64url");
    const row = { id, account, url: url.href, secret, events, createdAtMs: this.#components.clock.nowMs() };
    // Taken first: of many calls at once none slips past the limit.
    const live = this.#take(row);
    await this.#components.store.addEndpoint(row).catch((error) => {
      this.#drop(live);
      throw error;
    });
    return view(live);
  }

  /** What no event could ever be sent to is refused now. */
  async #judge(url: URL): Promise<void> {
    try {
      await judgeTarget(url, this.#options);
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      const { detail } = error;
      if (detail.code === "OUTBOUND_SCHEME_REFUSED") {
        throw new WebhookError({ code: "WEBHOOK_SCHEME_REFUSED", scheme: detail.scheme });
      }
      if (detail.code === "OUTBOUND_ADDRESS_REFUSED") {
        throw new WebhookError({ code: "WEBHOOK_ADDRESS_REFUSED", host: detail.host });
      }
      throw error;
    }
  }

  list(account: Address): EndpointView[] {
    return [...(this.#ofAccount.get(account) ?? [])].map(view);
  }

  async remove(account: Address, id: string): Promise<void> {
    const live = this.#endpoints.get(id);
    if (live?.row.account !== account) throw new WebhookError({ code: "WEBHOOK_ENDPOINT_UNKNOWN", endpoint: id });
    this.#drop(live);
    await this.#components.store.dropEndpoint(account, id);
  }

  /** As `tell`, for who cannot wait. */
  note(item: NewsItem): void {
    if (!this.#tasks.signal.aborted) this.#tasks.run(() => this.tell(item));
  }

  async tell({ id, type, account, data }: NewsItem): Promise<void> {
    const { store, clock, logger } = this.#components;
    const createdAtMs = clock.nowMs();
    const event: WebhookEvent = { id, type, createdAtMs, data };
    const body = JSON.stringify(event, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
    for (const live of [...(this.#ofAccount.get(account) ?? [])]) {
      if (!live.row.events.includes(type)) continue;
      const row = { endpoint: live.row.id, id, type, body, createdAtMs };
      try {
        const isIn = await store.put(row, this.#options.queuedEvents);
        this.#told.add(1, { result: isIn ? "queued" : "dropped" });
      } catch (error) {
        this.#told.add(1, { result: "dropped" });
        logger.error("Keep event failed", { type, error });
      }
      this.#kick(live);
    }
  }

  #take(row: EndpointRow): Live {
    const live: Live = { row, removed: new AbortController(), isTelling: false, isStale: false, lastFailure: null };
    this.#endpoints.set(row.id, live);
    const others = this.#ofAccount.get(row.account) ?? new Set<Live>();
    this.#ofAccount.set(row.account, others.add(live));
    return live;
  }

  #drop(live: Live): void {
    const { id, account } = live.row;
    live.removed.abort();
    this.#endpoints.delete(id);
    const others = this.#ofAccount.get(account);
    others?.delete(live);
    if (others?.size === 0) this.#ofAccount.delete(account);
  }

  #kick(live: Live): void {
    live.isStale = true;
    if (live.isTelling || this.#tasks.signal.aborted || live.removed.signal.aborted) return;
    live.isTelling = true;
    const { clock, logger } = this.#components;
    this.#tasks.run(async (stopped) => {
      const signal = AbortSignal.any([stopped, live.removed.signal]);
      // Nothing can come between the last look and the end: both are in one step.
      while (live.isStale && !signal.aborted) {
        try {
          await this.#tellAll(live, signal);
        } catch (error) {
          if (signal.aborted) break;
          logger.error("Tell event failed", { endpoint: live.row.id, error });
          live.isStale = true;
          await clock.sleep(this.#options.retryMinMs, signal).catch(() => {});
        }
      }
      live.isTelling = false;
    });
  }

  /** One after the other: the next is told when the one before was acknowledged, or given up. Rejects where the disk fails. */
  async #tellAll(live: Live, signal: AbortSignal): Promise<void> {
    const { store, clock, logger } = this.#components;
    const { giveUpMs } = this.#options;
    while (!signal.aborted) {
      live.isStale = false;
      const event = await store.next(live.row.id);
      if (event === undefined || signal.aborted) return;
      const nowMs = clock.nowMs();
      if (event.createdAtMs + giveUpMs <= nowMs) {
        logger.warn("Give event up", { endpoint: live.row.id, type: event.type, attempts: event.attempts });
        this.#told.add(1, { result: "given_up" });
        await store.finish(event, "given_up", nowMs);
        continue;
      }
      if (event.nextAtMs > nowMs) {
        await clock.sleep(Math.min(event.nextAtMs, event.createdAtMs + giveUpMs) - nowMs, signal);
        continue;
      }
      const reason = await this.#inTurn(signal, () => this.#send(live.row, event, signal));
      if (signal.aborted) return;
      live.lastFailure = reason === undefined ? null : { reason, atMs: clock.nowMs() };
      if (reason === undefined) {
        this.#told.add(1, { result: "told" });
        await store.finish(event, "told", clock.nowMs());
        continue;
      }
      logger.debug("Event was not acknowledged", { endpoint: live.row.id, type: event.type, reason });
      this.#told.add(1, { result: "failed" });
      await store.postpone(event, clock.nowMs() + this.#pauseAfter(event));
    }
  }

  #pauseAfter({ attempts }: EventRow): number {
    const { retryMinMs, retryMaxMs } = this.#options;
    return Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(attempts, 30));
  }

  /** Why the server did not take it; undefined: it did. */
  async #send({ url, secret }: EndpointRow, event: EventRow, signal: AbortSignal): Promise<string | undefined> {
    const { clock, resolve } = this.#components;
    const { body, id } = event;
    try {
      const { status } = await postPinned(
        url,
        { headers: signWebhook(secret, { id, body, nowMs: clock.nowMs() }), body },
        {
          allowPrivate: this.#options.allowPrivate,
          timeoutMs: this.#options.timeoutMs,
          maxAnswerBytes: MAX_ANSWER_BYTES,
          signal,
          ...(resolve === undefined ? {} : { resolve }),
        },
      );
      return status >= 200 && status < 300 ? undefined : `status ${status}`;
    } catch (error) {
      if (error instanceof OutboundError) return reasonOf(error);
      throw error;
    }
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | "stopped"> {
    if (this.#sending >= SENDING_AT_ONCE) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#turns.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      // Woken with the place of the one that is done, or because nothing is to be sent any more.
      await promise;
      if (signal.aborted) {
        const at = this.#turns.indexOf(resolve);
        if (at >= 0) this.#turns.splice(at, 1);
        else this.#pass();
        return "stopped";
      }
    } else {
      this.#sending += 1;
    }
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  #pass(): void {
    const next = this.#turns.shift();
    if (next === undefined) this.#sending -= 1;
    else next();
  }
}

function view({ row: { id, url, events, createdAtMs }, lastFailure }: Live): EndpointView {
  return { id, url, events, createdAtMs, lastFailure };
}

/** Of a name not whether it is unknown or leads inside: else anybody could find out which names a network has. */
function reasonOf({ detail }: OutboundError): string {
  const isOfName = detail.code === "OUTBOUND_NAME_UNKNOWN" || detail.code === "OUTBOUND_ADDRESS_REFUSED";
  return isOfName && !isLiteral(detail.host) ? "WEBHOOK_NAME_REFUSED" : detail.code;
}
