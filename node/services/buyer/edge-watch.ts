import type { Clock } from "@leat/node/kernel/clock.ts";
import type { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { WatchedEdge } from "@leat/node/wire/session/messages.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { type CheckResult, checkResultStructure, checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { Outbox } from "../jobs/outbox.ts";
import { EdgeProbe, type Reference } from "./edge-probe.ts";
import { createFetcher } from "./hls-reader.ts";
import { NewestOfAttempts } from "./newest-of-attempts.ts";
import { attemptKey, type OpenAttempt } from "./open-attempts.ts";

/** Check 4 of DESIGN section 6: delivery, fetched as a viewer. */
const deliveryCheck = 4;
/** Waiting probes: a minute of 30 streams on two edges each. The oldest give way, as their segments leave first. */
const MAX_WAITING = 1_000;
/** Newest segments of a stream whose receipts are compared with: more than any live window holds. */
const MAX_REFERENCES = 64;
const MAX_STREAMS = 1_000;
export interface EdgeWatchComponents {
  /** An edge served what its transcoder did not sign. */
  readonly onAltered: (stream: Hex, edge: WatchedEdge) => Promise<void>;
  readonly outbox: Pick<Outbox, "post">;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  /** Fixes which parts of edges are probed: random, of this process alone. */
  readonly probeSecret: Uint8Array;
  /** Probes run in it. */
  readonly tasks: TaskGroup;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface EdgeWatchOptions {
  readonly probesAtOnce: number;
  readonly probeLookMs: number;
  readonly probeLooks: number;
  readonly probeTimeoutMs: number;
}

interface Watched {
  edges: readonly WatchedEdge[];
  /** The source is among what they serve. */
  passthrough: boolean;
  /** By family and segment: `<first rung>/<sequence>`. */
  readonly references: Map<string, Reference>;
}

/** Looks at what a buyer's viewers get, and finds edges that alter it. */
export class EdgeWatch {
  readonly #components: EdgeWatchComponents;
  readonly #options: EdgeWatchOptions;
  readonly #probe: EdgeProbe;
  readonly #streams = new Map<Hex, Watched>();
  readonly #deliveries = new NewestOfAttempts<Hex>();
  #waiting: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference }[] = [];
  #probing = 0;
  readonly #probes;

  constructor(components: EdgeWatchComponents, options: EdgeWatchOptions) {
    const { clock, metrics, probeSecret: secret } = components;
    this.#components = components;
    this.#options = options;
    this.#probe = new EdgeProbe(
      { fetcher: createFetcher(options.probeTimeoutMs), clock, secret },
      { lookEveryMs: options.probeLookMs, looks: options.probeLooks },
    );
    this.#probes = metrics.counter({
      name: "leat_buyer_probes_total",
      help: "Parts that were fetched from edges and compared",
      labelNames: ["verdict"],
    });
  }

  /** Begins no more probes. */
  stop(): void {
    this.#waiting = [];
  }

  /** An edge's own receipt: checks that come after it name it. */
  noteDelivery(attempt: OpenAttempt, seq: bigint, receiptHash: Hex): void {
    this.#deliveries.set(attempt, seq, receiptHash);
  }

  /** The attempt is over. */
  forget(attempt: OpenAttempt): void {
    this.#deliveries.forget(attempt);
  }

  /** All edges that serve the stream now. @param passthrough They serve the source as it came in, too. */
  watch(stream: Hex, edges: readonly WatchedEdge[], passthrough: boolean): void {
    const watched = this.#streamOf(stream);
    watched.passthrough = passthrough;
    const known = new Set(watched.edges.map(attemptKey));
    watched.edges = edges;
    if (edges.length === 0) this.#streams.delete(stream);
    this.#waiting = this.#waiting.filter((item) => item.stream !== stream || edges.some(isSameEdge(item.edge)));
    // An edge that joined has the newest segments of the window too.
    for (const edge of edges) {
      if (known.has(attemptKey(edge))) continue;
      for (const [key, reference] of [...watched.references].slice(-2)) this.#queue({ stream, edge, key, reference });
    }
  }

  /** What edges serve of a segment has to be what its transcoder signed, and of the source what its ingest node did. */
  compareWith(
    stream: Hex,
    { receiptHash, seq, leaves }: { receiptHash: Hex; seq: bigint; leaves: Reference["leaves"] },
  ): void {
    const video = leaves.filter((leaf) => leaf.rung < 100 && leaf.sizeBytes > 0n);
    if (video.length === 0) return;
    const watched = this.#streamOf(stream);
    if (video[0]!.rung === SOURCE_RUNG && !watched.passthrough) return;
    const reference = { receiptHash, sequence: Number(seq), leaves: video };
    const key = `${Math.min(...video.map((leaf) => leaf.rung))}/${seq}`;
    // The cluster did not hear our answer, and tells it again: its edges were looked at.
    if (watched.references.get(key)?.receiptHash === receiptHash) return;
    // Of several attempts the newest report stands.
    watched.references.delete(key);
    watched.references.set(key, reference);
    if (watched.references.size > MAX_REFERENCES) {
      watched.references.delete(watched.references.keys().next().value!);
    }
    for (const edge of watched.edges) this.#queue({ stream, edge, key, reference });
  }

  #streamOf(stream: Hex): Watched {
    const known = this.#streams.get(stream);
    if (known !== undefined) return known;
    const watched: Watched = { edges: [], passthrough: false, references: new Map() };
    this.#streams.set(stream, watched);
    if (this.#streams.size > MAX_STREAMS) this.#streams.delete(this.#streams.keys().next().value!);
    return watched;
  }

  #queue(item: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference }): void {
    this.#waiting.push(item);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#pump();
  }

  #pump(): void {
    while (this.#probing < this.#options.probesAtOnce && !this.#components.tasks.signal.aborted) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#probing += 1;
      this.#components.tasks.run(async (signal) => {
        try {
          await this.#look(next, signal);
        } finally {
          this.#probing -= 1;
          this.#pump();
        }
      });
    }
  }

  async #look(
    item: { stream: Hex; edge: WatchedEdge; key: string; reference: Reference },
    signal: AbortSignal,
  ): Promise<void> {
    const { edge, reference, key, stream } = item;
    const isSuperseded = () => this.#streams.get(stream)?.references.get(key) !== reference;
    const outcome = await this.#probe.probe(edge, reference, isSuperseded, signal);
    this.#probes.add(1, { verdict: outcome.verdict });
    const { onAltered, logger } = this.#components;
    const facts = { jobId: edge.job, node: edge.node, sequence: reference.sequence };
    if (outcome.verdict === "unproven") {
      logger.debug("Probe of edge proved nothing", { ...facts, code: outcome.code });
      return;
    }
    const code = outcome.verdict === "failed" ? outcome.code : undefined;
    if (code !== undefined) {
      logger.warn("Edge altered a part", { ...facts, code });
      await onAltered(stream, edge);
    }
    await this.#submit(edge, reference, code);
  }

  async #submit(edge: WatchedEdge, reference: Reference, code: string | undefined): Promise<void> {
    const { signer, domain, outbox, clock } = this.#components;
    const { job, attempt } = edge;
    const value: CheckResult = {
      job,
      seq: BigInt(reference.sequence),
      attempt,
      // The edge signs its own receipt when the segment leaves its window; until then the transcoder's stands, with
      // which its bytes were compared.
      receiptHash: this.#deliveries.get(edge, BigInt(reference.sequence)) ?? reference.receiptHash,
      check: deliveryCheck,
      verdict: code === undefined ? checkVerdicts.passed : checkVerdicts.failed,
      checkedAt: BigInt(Math.floor(clock.nowMs() / 1_000)),
    };
    const check = { value, signature: await signer.sign(checkResultStructure, domain, value) };
    const place = `${attempt}/${value.seq.toString().padStart(20, "0")}/${deliveryCheck}/${reference.receiptHash}`;
    const body = code === undefined ? { check } : { check, code };
    await outbox.post(`check/${job}/${place}`, { method: "check.submit", body });
  }
}

function isSameEdge(edge: WatchedEdge): (other: WatchedEdge) => boolean {
  return (other) => attemptKey(other) === attemptKey(edge);
}
