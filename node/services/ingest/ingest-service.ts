import { createHash } from "node:crypto";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { AddressRate } from "@leat/node/kernel/net/address-rate.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { PublishInfo, PublishSink, SegmentSink } from "@leat/node/media-io/publish-sink.ts";
import { RemoteError } from "@leat/node/wire/errors.ts";
import type { MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { PublishGrant } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { SourceVideoCodec } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";
import { JobError } from "../jobs/assignment.ts";
import type { AssignedJob, JobDesk, JobRunner } from "../jobs/job-desk.ts";
import type { MediaHolder } from "../jobs/media-door.ts";
import type { JobSession } from "../jobs/ports.ts";
import { IngestError, lossOf } from "./errors.ts";
import { Origin } from "./origin.ts";
import type { OriginComponents } from "./origin-parts.ts";
import { Publisher } from "./publisher.ts";

export const ingestOptions = Type.Object(
  {
    sourceBytes: Type.Integer({
      default: 100_663_296,
      minimum: 1_048_576,
      description: "Source frames of one stream that are kept for transcoders that come late, bytes",
    }),
    sourceMs: Type.Integer({
      default: 30_000,
      minimum: 4_000,
      description: "How long source frames of one stream are kept for transcoders that come late, milliseconds",
    }),
    intakeBytes: Type.Integer({
      default: 67_108_864,
      minimum: 1_048_576,
      description: "Renditions of one transcoder that wait for their receipt, bytes",
    }),
    keptSegments: Type.Integer({
      default: 20,
      minimum: 3,
      maximum: 200,
      description: "Published segments of each rung that are kept for edges that come or return",
    }),
    unwatchedSegments: Type.Integer({
      default: 6,
      minimum: 3,
      maximum: 200,
      description: "The same while no edge of another node takes the stream: the first to come begins with so many",
    }),
    audioWaitMs: Type.Integer({
      default: 500,
      minimum: 0,
      maximum: 10_000,
      description: "How long a stream that shows no audio with its first picture is waited for, milliseconds",
    }),
    readyWaitMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      description: "How long a peer that subscribes early waits for the stream, milliseconds",
    }),
    endWaitMs: Type.Integer({
      default: 30_000,
      minimum: 1_000,
      description: "How long an ended stream waits for the next of its last segments, milliseconds",
    }),
    lingerMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      description: "How long an ended stream is still given to edges, milliseconds",
    }),
    lagMs: Type.Integer({
      default: 6_000,
      minimum: 500,
      description:
        "How far an edge may be behind what it was sent before it goes on with the newest segment, milliseconds",
    }),
    edgeDrainMs: Type.Integer({
      default: 60_000,
      minimum: 0,
      description: "How long after that an edge may still read what it began to read, milliseconds",
    }),
    retryMs: Type.Integer({
      default: 500,
      minimum: 10,
      description: "Pause before the balancer is asked again, milliseconds",
    }),
    wrongKeysPerMinute: Type.Integer({
      default: 20,
      minimum: 1,
      maximum: 100_000,
      description: "Stream keys that nobody has, which one address may try in a minute before it is refused unheard",
    }),
    creditWaitMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      description: "How long a stream at its credit limit waits for a voucher before it stops, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface IngestComponents extends OriginComponents {
  readonly session: Pick<JobSession, "call" | "handle">;
  readonly desk: Pick<JobDesk, "register" | "admit" | "finish" | "mayWork">;
  readonly metrics: MetricsRegister;
}

export interface Ingest {
  /** Asks the balancer whether this key may publish now; throws a CodedError where not. */
  authorize(streamKey: string, info: PublishInfo): Promise<SegmentSink>;
  /** The same for a publisher that has proved to know the key, and shows its SHA-256 alone. */
  authorizeHash(keyHash: Hex, info: PublishInfo): Promise<SegmentSink>;
  /** The same for a publisher that the balancer sent here with a ticket for this stream. */
  authorizeTicket(slug: string, ticket: string, info: PublishInfo): Promise<SegmentSink>;
  /** The same for a source of this stream, which the balancer had this node fetch. */
  authorizePulled(stream: Hex, signal: AbortSignal): Promise<PublishSink>;
}

/** What a balancer answers to keys and tickets that were made up. */
const guesses: ReadonlySet<string> = new Set(["STREAM_KEY_UNKNOWN", "PUBLISH_TICKET_INVALID"]);

/** What a publisher showed: the hash of its key or, with a ticket, the stream's name. */
interface Shown {
  readonly name: string;
  readonly protocol: PublishInfo["protocol"];
}

/** What a node's payment refuses a job by: too little in reserve, a prepayment, vouchers that are none. */
const unpaidCode = /^(CREDIT|PAYER|PAYMENT|VOUCHER)_/;

interface Running {
  readonly origin: Origin;
  publisher: Publisher | undefined;
  /** What its publisher showed, or the last one that it had. */
  shown: Shown | undefined;
  /** Until when its publisher's place is for who shows the same. */
  placeUntilMs: number;
  readonly done: Promise<void>;
}

/** Sells ingest: takes streams in, and is their origin for transcoders and edges. */
export class IngestService implements Ingest, JobRunner, MediaHolder, Startable {
  readonly primitive = "ingest";
  readonly #components: IngestComponents;
  readonly #options: Static<typeof ingestOptions>;
  readonly #tasks: TaskGroup;
  readonly #running = new Map<Hex, Running>();
  readonly #wrongKeys: AddressRate;

  constructor(components: IngestComponents, options: Static<typeof ingestOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({ clock: components.clock });
    const burst = options.wrongKeysPerMinute;
    this.#wrongKeys = new AddressRate(components.clock, { burst, refillMs: 60_000, maxAddresses: 10_000 });
    components.metrics.gauge({
      name: "leat_ingest_streams_running",
      help: "Streams whose origin is here",
      collect: () => this.#running.size,
    });
  }

  async start(): Promise<void> {
    this.#components.session.handle("check.close", async ({ stream, job, attempt }) => {
      this.#running.get(stream)?.origin.closeAttempt(job, attempt);
      return { waiting: this.#components.checking.waiting(job, attempt) };
    });
    this.#components.desk.register(this);
  }

  async stop(): Promise<void> {
    for (const { origin } of this.#running.values()) origin.stop(new IngestError({ code: "INGEST_STOPPED" }));
    await this.#tasks.close();
  }

  authorize(streamKey: string, info: PublishInfo): Promise<SegmentSink> {
    return this.authorizeHash(bytesToHex(createHash("sha256").update(streamKey).digest()), info);
  }

  authorizeHash(keyHash: Hex, info: PublishInfo): Promise<SegmentSink> {
    return this.#request(keyHash, info, (how) => this.#components.session.call("publish.request", { keyHash, ...how }));
  }

  authorizeTicket(slug: string, ticket: string, info: PublishInfo): Promise<SegmentSink> {
    return this.#request(slug, info, (how) =>
      this.#components.session.call("publish.ticket", { slug, ticket, ...how }),
    );
  }

  async authorizePulled(stream: Hex, signal: AbortSignal): Promise<PublishSink> {
    const held = this.#running.get(stream);
    // The balancer takes this node's lease for the source's own: that somebody publishes here is known here alone.
    if (held?.publisher !== undefined) throw new IngestError({ code: "INGEST_STREAM_PUBLISHED" });
    if (held?.origin.ended === true) await held.done;
    signal.throwIfAborted();
    return this.#publish(await this.#ask(() => this.#components.session.call("publish.pulled", { stream })));
  }

  async #publish(
    grant: PublishGrant,
    shown?: Shown,
    { videoCodec, replaces = false }: { readonly videoCodec?: SourceVideoCodec; readonly replaces?: boolean } = {},
  ): Promise<SegmentSink> {
    // No player gets it as it came in, and nothing is made of it.
    if (videoCodec === "vp8" && grant.ladder.length === 0) {
      await this.#giveBack(grant);
      throw new IngestError({ code: "INGEST_LADDER_MISSING", codec: videoCodec });
    }
    const held = this.#running.get(grant.stream);
    if (held !== undefined && !held.origin.ended) {
      const { desk } = this.#components;
      const before = held.origin.job;
      const job = await this.#jobOf(held, grant);
      if (held.origin.ended) {
        const stopped = new IngestError({ code: "INGEST_STOPPED" });
        if (job !== before) desk.finish(job, { code: stopped.code, sequence: null });
        throw stopped;
      }
      // Of two that came for a place that was left, the second finds somebody there.
      if (replaces && shown !== undefined && !this.#hasPlace(shown)) {
        const ageMs = held.origin.lastFrameAgeMs;
        throw new IngestError({ code: "PUBLISH_LEASE_HELD", stream: grant.stream, ageMs });
      }
      // In one go: of two that come at the same time, one replaces the other.
      held.publisher?.replace();
      held.origin.resume(job);
      // Nothing more is signed for the one before.
      if (job !== before) desk.finish(before);
      return this.#attach(held, shown);
    }
    await held?.done;
    let job: AssignedJob;
    try {
      job = await this.#admit(grant);
    } catch (error) {
      await this.#giveBack(grant);
      throw error;
    }
    return this.#attach(this.#open(grant, job), shown);
  }

  /** Nothing was begun with it: whoever publishes next need not wait for it. */
  async #giveBack({ stream, startSequence }: PublishGrant): Promise<void> {
    if (startSequence > 0 || this.#running.has(stream)) return;
    const end = { stream, clean: false, frames: 0, lastSequence: null };
    await this.#components.session.call("publish.end", end).catch(() => {});
  }

  hold(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | undefined {
    return this.#running.get(subscribe.spec.stream)?.origin.serve(connection, subscribe);
  }

  begin(job: AssignedJob): void {
    // Ingest jobs come with a publisher, never by themselves.
    throw new JobError({ code: "JOB_PRIMITIVE_UNSUPPORTED", primitive: job.spec.primitive });
  }

  change(): void {}

  async end(job: Hex, attempt: number, code: string): Promise<void> {
    for (const { origin } of this.#running.values()) {
      if (origin.job.job !== job || origin.job.attempt !== attempt) continue;
      if (code === "STREAM_ENDED") origin.end(true);
      else origin.stop(lossOf(code));
    }
  }

  sequenceOf(job: Hex): number | null {
    for (const { origin } of this.#running.values()) if (origin.job.job === job) return origin.sequence;
    return null;
  }

  positionOf(stream: Hex): number | null {
    return this.#running.get(stream)?.origin.sequence ?? null;
  }

  async #request(
    name: string,
    { address, protocol, videoCodec }: PublishInfo,
    call: (how: { protocol: string; replaces?: true }) => Promise<PublishGrant>,
  ): Promise<SegmentSink> {
    if (!this.#wrongKeys.isLeft(address)) throw new IngestError({ code: "INGEST_KEYS_LIMITED" });
    const shown = { name, protocol };
    this.#requireOpen(name);
    const how = { protocol, ...(this.#hasPlace(shown) && { replaces: true as const }) };
    let grant: PublishGrant;
    try {
      grant = await this.#ask(() => call(how));
    } catch (error) {
      // Known only now: whoever tries many at once pays for all of them.
      if (isCodedError(error) && guesses.has(error.code)) this.#wrongKeys.charge(address);
      throw error;
    }
    return this.#publish(grant, shown, { videoCodec, replaces: how.replaces === true });
  }

  /** What was shown is of a stream that ends here: the balancer may not know yet. One of which nothing came may begin. */
  #requireOpen(name: string): void {
    const ending = [...this.#running.values()].find(({ shown }) => shown?.name === name)?.origin;
    if (ending?.sequence !== null && ending?.stopped?.code === "STREAM_ENDED") throw ending.stopped;
  }

  /** A publisher here showed the same, and left or was told to begin anew. */
  #hasPlace({ name, protocol }: Shown): boolean {
    const nowMs = this.#components.clock.nowMs();
    return [...this.#running.values()].some(
      ({ shown, placeUntilMs, publisher, origin }) =>
        !origin.ended &&
        shown?.name === name &&
        (publisher === undefined || (shown.protocol === protocol && nowMs < placeUntilMs)),
    );
  }

  async #ask(call: () => Promise<PublishGrant>): Promise<PublishGrant> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof RemoteError || !isCodedError(error)) throw error;
      throw new IngestError({ code: "INGEST_BALANCER_AWAY" }, { cause: error });
    }
  }

  /** Who pays this node is the cluster: that it does not is nothing that a publisher could mend, but its operator can. */
  async #admit({ stream: streamId, terms }: PublishGrant): Promise<AssignedJob> {
    const { desk, logger } = this.#components;
    try {
      return await desk.admit(terms);
    } catch (cause) {
      if (!isCodedError(cause) || !unpaidCode.test(cause.code)) throw cause;
      logger.warn("Refuse job that is not paid", { streamId, ...cause.detail });
      throw new IngestError({ code: "INGEST_NODE_UNPAID" }, { cause });
    }
  }

  async #jobOf(held: Running, grant: PublishGrant): Promise<AssignedJob> {
    const { job, attempt } = grant.terms.assignment.value;
    const { job: before } = held.origin;
    if (job === before.job && attempt === before.attempt) return before;
    try {
      return await this.#admit(grant);
    } catch (error) {
      // Whoever tries again is not said to have its place: it is given another attempt.
      held.shown = undefined;
      throw error;
    }
  }

  #open(grant: PublishGrant, job: AssignedJob): Running {
    const { logger } = this.#components;
    const components = { ...this.#components, logger: logger.child({ streamId: grant.stream }) };
    const origin = new Origin(grant, job, components, this.#options);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const running: Running = { origin, publisher: undefined, shown: undefined, placeUntilMs: 0, done };
    this.#running.set(grant.stream, running);
    this.#tasks.run(async () => {
      try {
        const { code } = await origin.run();
        components.logger.info("Stream is over at its origin", { code, frames: origin.source.frames });
        if (code !== undefined && code !== "INGEST_STOPPED") {
          this.#components.desk.finish(origin.job, { code, sequence: origin.sequence });
        }
      } finally {
        this.#running.delete(grant.stream);
        resolve();
      }
    });
    return running;
  }

  #attach(running: Running, shown: Shown | undefined): SegmentSink {
    const { clock } = this.#components;
    const publisher = new Publisher(running.origin, clock, {
      onEnd: () => {
        if (running.publisher === publisher) running.publisher = undefined;
      },
      onPlace: (forMs) => {
        running.placeUntilMs = clock.nowMs() + forMs;
      },
    });
    running.publisher = publisher;
    running.shown = shown;
    running.placeUntilMs = 0;
    return publisher;
  }
}
