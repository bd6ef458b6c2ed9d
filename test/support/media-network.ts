import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { createNodeKey, type NodeKey } from "@leat/node/kernel/keys.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { findFault } from "@leat/node/media/verification/verify-segment.ts";
import { type AudienceFigures, Audiences } from "@leat/node/media-io/hls/audience.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import { CheckingService } from "@leat/node/services/checking/checking-service.ts";
import type { SegmentEvidence } from "@leat/node/services/checking/index.ts";
import { DeliveryService, deliveryOptions } from "@leat/node/services/delivery/delivery-service.ts";
import { type EdgeStream, type KeepPart, keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { IngestService, ingestOptions } from "@leat/node/services/ingest/ingest-service.ts";
import { JobDeskService, jobDeskOptions } from "@leat/node/services/jobs/job-desk.ts";
import { MediaDoor } from "@leat/node/services/jobs/media-door.ts";
import { type OutboxItem, OutboxService, type OutboxStore, outboxOptions } from "@leat/node/services/jobs/outbox.ts";
import { type PackSegment, packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { JobSession } from "@leat/node/services/jobs/ports.ts";
import { createReceiptBook } from "@leat/node/services/jobs/receipt-book.ts";
import type { PaymentError } from "@leat/node/services/payment/errors.ts";
import type { MayWork, Work } from "@leat/node/services/payment/index.ts";
import { PullingService } from "@leat/node/services/pulling/pulling-service.ts";
import { TranscodingService, transcodingOptions } from "@leat/node/services/transcoding/transcoding-service.ts";
import type { HostService } from "@leat/node/wire/host.ts";
import { HostService as Host } from "@leat/node/wire/host.ts";
import type { MediaConnection } from "@leat/node/wire/media/message.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { chooseEngine } from "@leat/transcoder/choose-engine.ts";
import { startAudioEncode, startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import type { Static } from "typebox";
import { defaultsOf } from "./defaults.ts";
import { loopback } from "./wire-hosts.ts";

export const testDomain = createDomain(31_337, `0x${"e5".repeat(20)}`);

/** Keeps in memory what a node's disk would. */
class MemoryOutbox implements OutboxStore {
  readonly items = new Map<string, OutboxItem>();

  async put(key: string, item: OutboxItem): Promise<void> {
    const held = this.items.get(key);
    if (held !== undefined && held !== item) throw new Error(`another item under ${key}`);
    this.items.set(key, item);
  }

  async delete(): Promise<void> {}

  async list(): Promise<{ key: string; item: OutboxItem }[]> {
    return [...this.items].map(([key, item]) => ({ key, item }));
  }
}

/** Which attempts began, in memory. */
function memoryAttempts() {
  const newest = new Map<Hex, number>();
  return {
    open: async () => {},
    begin: async (job: Hex, attempt: number) => {
      const held = newest.get(job) ?? 0;
      if (held >= attempt) return held;
      newest.set(job, attempt);
      return undefined;
    },
  };
}

/** What a test may put in the place of a node's own parts. */
export interface NodeFaults {
  readonly pack?: PackSegment;
  readonly chooseEngine?: typeof chooseEngine;
  readonly startTranscode?: typeof startLiveTranscode;
  readonly transcoding?: Partial<Static<typeof transcodingOptions>>;
  readonly keep?: KeepPart;
  readonly findFault?: (evidence: SegmentEvidence) => string | undefined;
  readonly logger?: Logger;
  readonly ingestOptions?: Partial<Static<typeof ingestOptions>>;
  readonly deliveryOptions?: Partial<Static<typeof deliveryOptions>>;
  /** Hears of every node that asks for media, and may put another connection in its place. */
  readonly onLink?: (connection: MediaConnection) => MediaConnection;
}

/** One node with the real services of all roles, a real peer host and a session with the fake balancer. */
export class MediaNode {
  readonly host: HostService;
  readonly desk: JobDeskService;
  readonly ingest: IngestService;
  readonly transcoding: TranscodingService;
  readonly pulling: PullingService;
  readonly delivery: DeliveryService;
  readonly media: MediaDoor;
  readonly outbox: OutboxService;
  readonly address: Address;
  readonly key: NodeKey;
  readonly earned: Work[] = [];
  readonly workers: { readonly pid: number | undefined; kill(): void }[] = [];
  mayWork: MayWork = "ok";
  /** Why it begins no job: the cluster does not pay it. */
  unpaid: PaymentError | undefined;
  /** Of each stream that it delivers, besides those that fetch it. */
  viewers = 0;
  readonly audiences = new Audiences(systemClock);
  readonly #faults: NodeFaults;
  readonly #closed = new EventEmitter();
  #stopped = false;

  constructor(balancer: { connect(node: MediaNode): JobSession }, faults: NodeFaults = {}) {
    const key = createNodeKey(randomBytes(32));
    const { signer } = key;
    this.key = key;
    this.#faults = faults;
    this.address = key.address;
    const base = { clock: systemClock, logger: faults.logger ?? silentLogger, metrics: silentMetrics };
    const common = { ...base, statements: nativeStatements, signer, domain: testDomain };
    this.host = new Host({ key, ...base }, loopback);
    const session: JobSession = balancer.connect(this);
    const payee = {
      openJob: async () => {
        if (this.unpaid !== undefined) throw this.unpaid;
      },
      closeJob: async (job: Hex) => {
        this.#closed.emit(job);
      },
      mayWork: () => this.mayWork,
      earned: async (work: Work) => {
        this.earned.push(work);
        return true;
      },
    };
    this.outbox = new OutboxService({ ...base, store: new MemoryOutbox(), session }, defaultsOf(outboxOptions));
    const receipts = createReceiptBook({
      signer,
      domain: testDomain,
      outbox: this.outbox,
      payee,
      attempts: memoryAttempts(),
      store: { forget: async () => {} },
    });
    this.desk = new JobDeskService(
      { ...common, session, payee, receipts, prices: () => testPrices },
      { ...defaultsOf(jobDeskOptions) },
    );
    const checking = new CheckingService({
      ...common,
      outbox: this.outbox,
      findFault: faults.findFault ?? findFault,
    });
    const pack = faults.pack ?? packSegment;
    const shared = { ...common, session, desk: this.desk, media: this.host, receipts, checking };
    this.ingest = new IngestService(
      { ...shared, pack: packSegment, startAudio: startAudioEncode },
      defaultsOf(ingestOptions, {
        ...{ lingerMs: 5_000, endWaitMs: 20_000, audioWaitMs: 50, retryMs: 50, creditWaitMs: 0 },
        // Streams come much faster than edges are placed.
        unwatchedSegments: 20,
        ...faults.ingestOptions,
      }),
    );
    this.pulling = new PullingService(
      { ...base, session, ingest: this.ingest },
      // Tests have their sources on this machine.
      defaultsOf(pullOptions, { allow: ["127.0.0.1"], retryMinMs: 20, retryMaxMs: 100, idleMs: 2_000 }),
    );
    this.transcoding = new TranscodingService(
      {
        ...shared,
        pack,
        chooseEngine: faults.chooseEngine ?? (async () => ({ engine: "node-av", encoders: [] })),
        startTranscode: (spec, events) => {
          const worker = (faults.startTranscode ?? startLiveTranscode)(spec, events);
          this.workers.push(worker);
          return worker;
        },
      },
      defaultsOf(transcodingOptions, { originRetryMs: 50, creditWaitMs: 200, ...faults.transcoding }),
    );
    this.delivery = new DeliveryService(
      { ...shared, keep: faults.keep ?? keepPart, audienceOf: (stream) => this.#audienceOf(stream) },
      defaultsOf(deliveryOptions, { originRetryMs: 20, originRetryMaxMs: 100, ...faults.deliveryOptions }),
    );
    this.media = new MediaDoor({ ...common, session });
    this.media.register(this.ingest);
    this.media.register(this.delivery);
  }

  #audienceOf(stream: EdgeStream): AudienceFigures {
    const figures = this.audiences.of(stream).figures();
    return { ...figures, viewers: figures.viewers + this.viewers };
  }

  /** Resolves when the account of a job is closed next. */
  async closed(job: Hex): Promise<void> {
    await once(this.#closed, job);
  }

  async start(): Promise<void> {
    await this.outbox.start();
    await this.desk.start();
    await this.ingest.start();
    await this.pulling.start();
    await this.transcoding.start();
    await this.delivery.start();
    await this.media.start();
    const { onLink = (connection) => connection } = this.#faults;
    this.host.onMedia((connection) => this.media.serve(onLink(connection)));
    await this.host.start();
  }

  /** As a power cut would: nothing is said to anybody. */
  async crash(): Promise<void> {
    for (const worker of this.workers) worker.kill();
    this.#stopped = true;
    await this.host.stop();
    await this.stopServices();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.stopServices();
    await this.host.stop();
  }

  async stopServices(): Promise<void> {
    await this.delivery.stop();
    await this.transcoding.stop();
    await this.pulling.stop();
    await this.ingest.stop();
    await this.media.stop();
    await this.desk.stop();
    await this.outbox.stop();
  }
}

export const testToken: Address = `0x${"70".repeat(20)}`;
export const testPrices = {
  ingestMs: 10n ** 22n,
  pixelH264: 2n * 10n ** 18n,
  pixelHevc: 4n * 10n ** 18n,
  pixelVp9: 4n * 10n ** 18n,
  pixelAv1: 6n * 10n ** 18n,
  deliveredByte: 5n,
};
