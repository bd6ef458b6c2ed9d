import { createHash, randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createNodeKey } from "@leat/node/kernel/keys.ts";
import { planRenditions } from "@leat/node/services/balancer/renditions.ts";
import type { JobSession } from "@leat/node/services/jobs/ports.ts";
import { RemoteError, WireError } from "@leat/node/wire/errors.ts";
import type { SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
  PublishGrant,
} from "@leat/node/wire/session/messages.ts";
import type { Welcome } from "@leat/node/wire/session/presence.ts";
import { hashStatement } from "@leat/sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import {
  type DeliverySpec,
  hashJobSpec,
  type JobSpec,
  type JobTerms,
  pricedPullOf,
  type SourceSummary,
  type TranscodeSpec,
} from "@leat/sdk/protocol/job.ts";
import { assignmentStructure, quoteStructure } from "@leat/sdk/protocol/signed.ts";
import { type Family, type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { type Ladder, resolveLadder } from "@leat/transcoder/ladder.ts";
import { type MediaNode, testDomain, testToken } from "./media-network.ts";

type Handler = (body: never) => Promise<unknown>;
export type Told = {
  [M in NodeMethod]: { readonly node: MediaNode; readonly method: M; readonly body: NodeRequest<M> };
}[NodeMethod];

interface PlacedJob {
  readonly job: Hex;
  attempt: number;
  node: MediaNode;
  readonly family: string;
}

/** What a node says that asks a holder for a stream with the job that it was given. */
export function subscriptionOf(
  { assignment, quote, spec }: Pick<JobTerms, "assignment" | "quote" | "spec">,
  origin?: Address,
): SubscribeMessage {
  if (spec.primitive === "ingest") throw new Error("nobody is asked for what one takes in oneself");
  const priced = pricedPullOf(spec);
  return {
    type: "subscribe",
    assignment,
    quote: quote.value,
    spec: priced,
    fromSequence: 0,
    ...(origin && { origin }),
  };
}

/** Says yes to everything and remembers what it was told: places jobs where the test wants them. */
export class FakeBalancer {
  readonly told: Told[] = [];
  readonly events = new EventEmitter().setMaxListeners(0);
  readonly stream = bytesToHex(randomBytes(32));
  readonly slug = randomBytes(16).toString("base64url");
  readonly #key = createNodeKey(randomBytes(32));
  readonly #handlers = new Map<MediaNode, Map<string, Handler>>();
  readonly #ladder: Ladder;
  readonly #passthrough: boolean;
  readonly jobs: PlacedJob[] = [];
  /** While it is away, calls to it fail as those to a balancer that was killed. */
  away = false;
  /** Why it renews no publish lease. */
  renewRefusal: string | undefined;
  /** Where transcode jobs go, in turn. */
  transcoders: MediaNode[] = [];
  renditions: RenditionInfo[] = [];
  origin: MediaNode | undefined;
  grant: Partial<PublishGrant> = {};
  /** The newest sequence published by all rungs of a family, by family. */
  readonly published = new Map<string, number>();

  constructor(ladder: Ladder, { passthrough = false } = {}) {
    this.#ladder = ladder;
    this.#passthrough = passthrough;
  }

  connect(node: MediaNode): JobSession {
    const handlers = new Map<string, Handler>();
    this.#handlers.set(node, handlers);
    const welcome: Welcome = {
      cluster: 1n,
      balancer: this.#key.address,
      clusterAccount: this.#key.address,
      heartbeatMs: 1_000,
      seedCommit: { value: { cluster: 1n, epoch: 1n, anchor: this.stream, length: 1 }, signature: "0x" },
    };
    return {
      welcome,
      call: (method, body) => this.#answer(node, method, body),
      handle: (method, handler) => {
        handlers.set(method, handler as Handler);
      },
    };
  }

  ask<M extends BalancerMethod>(node: MediaNode, method: M, body: BalancerRequest<M>): Promise<BalancerResponse<M>> {
    const handler = this.#handlers.get(node)?.get(method);
    if (handler === undefined) throw new Error(`no handler of ${method}`);
    return handler(body as never) as Promise<BalancerResponse<M>>;
  }

  /** Resolves when the condition holds; it is looked at whenever a node tells something. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.events, "told");
  }

  of<M extends NodeMethod>(method: M): Extract<Told, { method: M }>[] {
    return this.told.filter((item): item is Extract<Told, { method: M }> => item.method === method);
  }

  async terms(node: MediaNode, spec: JobSpec, job: Hex = bytesToHex(randomBytes(32)), attempt = 1): Promise<JobTerms> {
    const { primitive } = spec;
    const reserved = await this.ask(node, "job.reserve", { job, attempt, primitive, units: 1 });
    if (!reserved.granted) throw new Error(reserved.code);
    const { quote, prices } = await this.ask(node, "quote.request", {
      job,
      primitive,
      specHash: hashJobSpec(spec),
      token: testToken,
      payer: this.#key.address,
      maxUnits: 1_000_000n,
    });
    const value = {
      job,
      attempt,
      node: node.address,
      quoteHash: hashStatement(quoteStructure, testDomain, quote.value),
      firstFrame: 0n,
      validUntil: BigInt(Math.floor(Date.now() / 1000) + 3_600),
    };
    const assignment = { value, signature: await this.#key.signer.sign(assignmentStructure, testDomain, value) };
    return { assignment, quote, prices, spec, selection: job };
  }

  async assign(node: MediaNode, spec: JobSpec, job?: Hex, attempt?: number): Promise<JobTerms> {
    const terms = await this.terms(node, spec, job, attempt);
    await this.ask(node, "job.assign", terms);
    return terms;
  }

  originOf(node: MediaNode) {
    return { node: node.address, multiaddrs: node.host.multiaddrs() };
  }

  deliverySpec(): DeliverySpec {
    const { stream, slug, renditions } = this;
    const origin = this.originOf(this.origin!);
    const partTargetMs = this.#partTargetMs;
    return { stream, slug, primitive: "delivery", origin, renditions, partTargetMs, unsignedBudgetBytes: 10n ** 9n };
  }

  /** The next node in turn takes over a family's job, from the first segment that the balancer does not know of. */
  async replaceJob(family: string): Promise<void> {
    const placed = this.jobs.find((job) => job.family === family)!;
    const next = this.transcoders[(this.transcoders.indexOf(placed.node) + 1) % this.transcoders.length]!;
    placed.node = next;
    placed.attempt += 1;
    await this.assign(next, this.transcodeSpec(family), placed.job, placed.attempt);
  }

  transcodeSpec(family: string): TranscodeSpec {
    const { stream, slug } = this;
    const { rungs } = resolveLadder(this.#ladder, this.#source);
    const own = rungs.flatMap((rung, index) => (rung.codec === family ? [{ ...rung, rung: index + 1 }] : []));
    return {
      stream,
      slug,
      primitive: "transcode",
      family: family as "h264",
      rungs: own,
      origin: this.originOf(this.origin!),
      startSequence: (this.published.get(family) ?? (this.grant.startSequence ?? 0) - 1) + 1,
      source: { video: { codec: "h264", codecString: "avc1.640015", ...this.#source } },
    };
  }

  #source = { width: 0, height: 0 };
  #partTargetMs = 250;

  async #answer<M extends NodeMethod>(node: MediaNode, method: M, body: NodeRequest<M>): Promise<NodeResponse<M>> {
    if (this.away) {
      this.events.emit("missed");
      throw new WireError({ code: "WIRE_CONNECTION_LOST" });
    }
    const told = { node, method, body } as unknown as Told;
    this.told.push(told);
    const answer = await this.#reply(told);
    this.events.emit("told");
    return answer as NodeResponse<M>;
  }

  async #reply(told: Told): Promise<unknown> {
    const { node, method, body } = told;
    switch (method) {
      case "publish.request":
        if (body.keyHash !== this.keyHash) throw new RemoteError({ code: "STREAM_KEY_UNKNOWN", method });
        this.origin = node;
        return this.#grantFor(node);
      case "publish.pulled":
        this.origin = node;
        return this.#grantFor(node);
      case "publish.renew":
        if (this.origin !== node) throw new RemoteError({ code: "PUBLISH_LEASE_LOST", method });
        if (this.renewRefusal !== undefined) throw new RemoteError({ code: this.renewRefusal, method });
        return {};
      case "source.ready":
        if (body.source.video !== undefined) {
          this.#source = { width: body.source.video.width, height: body.source.video.height };
        }
        this.#partTargetMs = body.partTargetMs;
        return this.#place(body.source);
      case "segment.published": {
        const told = this.renditions.filter(({ rung }) => rung !== SOURCE_RUNG && body.rungs.includes(rung));
        for (const { family } of told) if (family !== undefined) this.published.set(family, body.sequence);
        return {};
      }
      case "receipt.submit":
        return { accepted: true };
      default:
        return {};
    }
  }

  readonly streamKey = randomBytes(8).toString("hex");

  get keyHash(): Hex {
    return bytesToHex(createHash("sha256").update(this.streamKey).digest());
  }

  async #grantFor(node: MediaNode): Promise<PublishGrant> {
    const { stream, slug } = this;
    return {
      stream,
      slug,
      ladder: this.#ladder,
      token: testToken,
      terms: await this.terms(node, { stream, slug, primitive: "ingest" }),
      startSequence: 0,
      startFrame: 0,
      startEpoch: 0,
      discontinuity: false,
      leaseRenewMs: 100,
      leaseHoldMs: 3_000,
      reconnectGraceMs: 30_000,
      ...this.grant,
    };
  }

  /** Answers at once; jobs are placed after the answer, as a balancer does. */
  #place(source: SourceSummary): { renditions: RenditionInfo[] } {
    const isFirst = this.renditions.length === 0;
    const wanted = { ladder: [...this.#ladder], passthrough: this.#passthrough };
    const { renditions, families } = planRenditions(wanted, source);
    this.renditions = [...renditions];
    if (isFirst) setImmediate(() => this.#placeAll([...families.keys()]));
    return { renditions: this.renditions };
  }

  #placeAll(families: readonly Family[]): void {
    for (const [index, family] of families.entries()) {
      const node = this.transcoders[index % this.transcoders.length];
      if (node === undefined) continue;
      const job = bytesToHex(randomBytes(32));
      this.jobs.push({ job, attempt: 1, node, family });
      void this.assign(node, this.transcodeSpec(family), job, 1).then(() => this.events.emit("told"));
    }
  }
}
