import { canonicalText } from "@leat/sdk/protocol/canonical.ts";
import { encodingLoad } from "@leat/sdk/protocol/encoding-load.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Primitive } from "@leat/sdk/protocol/job.ts";
import type { OfferBody } from "@leat/sdk/protocol/offer-body.ts";
import type { Candidate, Capacity } from "@leat/sdk/selection/candidate.ts";
import { nextOverloaded, type SelectionParameters } from "@leat/sdk/selection/parameters.ts";
import { type CandidateTable, createTable, proveCandidate } from "@leat/sdk/selection/table.ts";
import { afterWork, noReputation, type Reputation, scorePpm } from "../../market/reputation.ts";
import { vettingStage, type WorkRecord } from "../../market/vetting.ts";
import type { NodeResponse } from "../../wire/session/messages.ts";
import type { TableMark } from "../../wire/session/presence.ts";
import type { NodePresence } from "../session/hub.ts";
import { BalancerError } from "./errors.ts";
import type { BalancerComponents } from "./ports.ts";

interface Reservation {
  readonly job: Hex;
  readonly primitive: Primitive;
  readonly units: number;
  readonly atMs: number;
}

type Standing = Reputation & WorkRecord;

/** Tables that nodes may still ask their row of: some tens of heartbeats. */
const MAX_TABLES = 32;
/** A table is published at most so often: every decision in between is made from the same one. */
const TABLE_MS = 1_000;
/** Hashing a table of 10,000 rows takes some 0.3 s: the pause is so many times what the last one took. */
const PAUSE_FACTOR = 20;

/** What the balancer knows of its nodes, as the table that decisions are made from. */
export class CandidateBook {
  readonly #components: Pick<BalancerComponents, "hub" | "chain" | "selectionStore" | "evidence" | "clock" | "cluster">;
  readonly #parameters: SelectionParameters;
  readonly #overloaded = new Map<Address, boolean>();
  readonly #reservations = new Map<Address, Reservation[]>();
  readonly #standings = new Map<Address, Standing>();
  readonly #tables = new Map<Hex, CandidateTable>();
  #table: CandidateTable | undefined;
  #madeAtMs = 0;
  #pauseMs = TABLE_MS;

  constructor(
    components: Pick<BalancerComponents, "hub" | "chain" | "selectionStore" | "evidence" | "clock" | "cluster">,
    parameters: SelectionParameters,
  ) {
    this.#components = components;
    this.#parameters = parameters;
  }

  async load(): Promise<void> {
    for (const { node, ...standing } of await this.#components.selectionStore.standings()) {
      this.#standings.set(node, standing);
    }
  }

  heard({ node, heartbeat, heartbeatAtMs }: NodePresence): void {
    if (heartbeat === undefined) return;
    const permille = Math.round(heartbeat.load * 1_000);
    this.#overloaded.set(node, nextOverloaded(this.#overloaded.get(node) ?? false, permille));
    // Its own figures hold what was reserved before it spoke.
    const left = this.#reservations.get(node)?.filter(({ atMs }) => atMs >= (heartbeatAtMs ?? 0));
    if (left === undefined || left.length === 0) this.#reservations.delete(node);
    else this.#reservations.set(node, left);
  }

  left(node: Address): void {
    this.#overloaded.delete(node);
    this.#reservations.delete(node);
    this.#madeAtMs = 0;
  }

  /** The newest table. */
  table(): CandidateTable {
    const nowMs = this.#components.clock.nowMs();
    if (this.#table !== undefined && nowMs - this.#madeAtMs < this.#pauseMs) return this.#table;
    const rows = [...this.#components.hub.nodes.values()].flatMap((presence) => this.#rowOf(presence) ?? []);
    this.#table = createTable(rows, this.#parameters);
    this.#madeAtMs = this.#components.clock.nowMs();
    this.#pauseMs = Math.max(TABLE_MS, (this.#madeAtMs - nowMs) * PAUSE_FACTOR);
    this.#tables.delete(this.#table.root);
    this.#tables.set(this.#table.root, this.#table);
    for (const root of this.#tables.keys()) {
      if (this.#tables.size <= MAX_TABLES) break;
      this.#tables.delete(root);
    }
    return this.#table;
  }

  /** Those that would take in another stream. */
  openForIngest(): readonly Candidate[] {
    const open = this.table().rows.filter(({ draining, overloaded }) => !draining && !overloaded);
    return open.filter(({ primitives }) => primitives.includes("ingest"));
  }

  /** Someone came: the next decision must see it. */
  renew(): void {
    this.#madeAtMs = 0;
  }

  mark(node: Address): TableMark {
    const table = this.table();
    return {
      tableRoot: table.root,
      tableIndex: table.indexOf.get(node) ?? null,
      tableSize: table.rows.length,
    };
  }

  leaf(node: Address, root: Hex): NodeResponse<"candidate.leaf"> {
    const table = this.#tables.get(root);
    const leaf = table === undefined ? undefined : proveCandidate(table, node);
    if (leaf === undefined) throw new BalancerError({ code: "CANDIDATE_UNKNOWN", root });
    return { leaf: canonicalText({ index: leaf.index, row: leaf.row }), proof: leaf.proof };
  }

  /** `codec`: of a transcode job, which counts by how fast the node is with it. */
  reserve(node: Address, job: Hex, primitive: Primitive, wanted: number, codec?: VideoCodec): void {
    const speeds = this.#components.hub.nodes.get(node)?.hello.offer?.body.codecs ?? [];
    const units = codec === undefined ? wanted : encodingLoad(speeds, codec, wanted);
    const list = (this.#reservations.get(node) ?? []).filter((entry) => entry.job !== job);
    this.#reservations.set(node, [...list, { job, primitive, units, atMs: this.#components.clock.nowMs() }]);
  }

  reserved(primitive: Primitive): { node: Address; units: number }[] {
    const found: { node: Address; units: number }[] = [];
    for (const [node, list] of this.#reservations) {
      for (const entry of list) if (entry.primitive === primitive) found.push({ node, units: entry.units });
    }
    return found;
  }

  async recordWork(node: Address, isGood: boolean): Promise<void> {
    const before = this.#standings.get(node) ?? { ...noReputation, passed: 0, failed: 0 };
    const after: Standing = {
      ...afterWork(before, isGood),
      passed: before.passed + (isGood ? 1 : 0),
      failed: before.failed + (isGood ? 0 : 1),
    };
    this.#standings.set(node, after);
    await this.#components.selectionStore.putStanding({ node, ...after });
  }

  #rowOf(presence: NodePresence): Candidate | undefined {
    const { node, hello, heartbeat } = presence;
    const { chain } = this.#components;
    if (this.#components.evidence.isGuilty(node)) return undefined;
    // Checked when it was greeted, and it stands as long as its node is in session: what binds is the quote.
    const body = hello.offer?.body;
    if (body === undefined) return undefined;
    const operator = chain.operatorOf(node);
    const state = operator === undefined ? undefined : chain.operator(operator);
    if (operator === undefined || state === undefined || state.nodes.get(node)?.revoked === true) return undefined;
    const standing = this.#standings.get(node) ?? { ...noReputation, passed: 0, failed: 0 };
    const measured = body.codecs.filter(({ pixelsPerSecond }) => pixelsPerSecond > 0);
    const speeds = measured.map(({ codec, pixelsPerSecond }) => ({ codec, pixelsPerSecond }));
    return Object.freeze({
      node,
      operator,
      region: hello.region,
      primitives: body.primitives
        .map(({ primitive }) => primitive)
        .filter((primitive) => primitive !== "storage" && hello.roles.includes(primitive)),
      codecs: speeds.map(({ codec }) => codec),
      ...(speeds.length === 0 ? {} : { speeds }),
      prices: body.prices.map(({ token, prices }) => ({ token, prices })),
      free: freeCapacity(body, heartbeat),
      stake: state.stake,
      vetting: vettingStage(standing),
      draining: heartbeat?.draining ?? false,
      loadPermille: Math.round((heartbeat?.load ?? 0) * 1_000),
      overloaded: this.#overloaded.get(node) ?? false,
      rttMs: Math.round(heartbeat?.rttMs ?? 0),
      reputationPpm: scorePpm(standing),
    } satisfies Candidate);
  }
}

/** As the node measured it last; before its first heartbeat, as it offered. */
function freeCapacity(body: OfferBody, heartbeat: NodePresence["heartbeat"]): Capacity {
  const offered = (primitive: Primitive) =>
    body.primitives.find((entry) => entry.primitive === primitive)?.capacity ?? 0;
  const measured = heartbeat?.capacity;
  return {
    ingest: measured?.ingestStreams.free ?? offered("ingest"),
    transcode: measured?.transcodePixelsPerSecond.free ?? offered("transcode"),
    storage: 0,
    delivery: measured?.deliveryBytesPerSecond.free ?? offered("delivery"),
  };
}
