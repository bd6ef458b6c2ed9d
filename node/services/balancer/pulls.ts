import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { type PullSetting, pullGivenBack } from "@leat/sdk/protocol/pull.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { parseSource } from "../../media-io/pull/source-url.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { PublicError, RemoteError } from "../../wire/errors.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import { BalancerError } from "./errors.ts";
import type { IngestNodes } from "./ingest-nodes.ts";
import type { JobBook } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import { PullOffers } from "./pull-offers.ts";
import type { StreamBook } from "./stream-book.ts";
import type { ViewerDemand } from "./viewer-demand.ts";

export interface PullsParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly nodes: IngestNodes;
  readonly tasks: TaskGroup;
  readonly demand: ViewerDemand;
}

type PulledStream = StreamRow & { readonly pull: PullSetting };

interface Answer {
  readonly node: Address;
  /** Of its refusal. */
  readonly code: string | undefined;
}

interface Given {
  readonly node: Address;
  /** Whether the node knows it, as far as we do. */
  isTold: boolean;
  /** Since when the node is out of session. */
  lostAtMs: number | undefined;
}

/** A name that is slow to look up is the node's to give up. */
const CHECK_TIMEOUT_MS = 15_000;
/** How often it is looked whether every source is fetched that is wanted. */
const LOOK_MS = 1_000;

/** Keeps the source of each pulled stream with an ingest node for as long as somebody wants it. */
export class Pulls {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #options: BalancerOptions;
  readonly #parts: PullsParts;
  readonly #given = new Map<Hex, Given>();
  /** Streams that are being made, by their buyers. */
  readonly #making = new Map<Address, number>();
  /** Streams that are being looked at. */
  readonly #busy = new Set<Hex>();
  readonly #offers: PullOffers;

  constructor(
    components: Pick<BalancerComponents, "hub" | "clock" | "logger">,
    options: BalancerOptions,
    parts: PullsParts,
  ) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
    this.#offers = new PullOffers(components.clock);
  }

  /** Whoever holds a lease is fetching already: it is asked again, and tells how it does. */
  start(): void {
    const { streams, tasks } = this.#parts;
    for (const { id } of this.#open()) {
      const node = streams.holder(id);
      if (node === undefined) continue;
      // Who watches is heard of again within that time.
      this.#parts.demand.want(id);
      this.#given.set(id, { node, isTold: false, lostAtMs: undefined });
    }
    tasks.every(LOOK_MS, () => this.look());
  }

  /** Makes a stream where its buyer may have one more. @throws STREAM_PULLS_EXCEEDED */
  async make<T>(buyer: Address, make: () => Promise<T>): Promise<T> {
    const { pullsPerBuyer: limit } = this.#options;
    const own = this.#open().filter((stream) => stream.buyer === buyer);
    const making = this.#making.get(buyer) ?? 0;
    if (own.length + making >= limit) throw new BalancerError({ code: "STREAM_PULLS_EXCEEDED", limit });
    // Taken first: whoever asks often at once has no more than who asks once.
    this.#making.set(buyer, making + 1);
    try {
      return await make();
    } finally {
      const left = this.#making.get(buyer)! - 1;
      if (left === 0) this.#making.delete(buyer);
      else this.#making.set(buyer, left);
    }
  }

  /**
   * Those of the nodes that would fetch the source.
   * @throws the refusal of the first where none would
   */
  async requireTaken(nodes: readonly Address[], url: string): Promise<Address[]> {
    return this.#requireTaken(await this.#check(nodes, url));
  }

  #check(nodes: readonly Address[], url: string): Promise<Answer[]> {
    return Promise.all(
      nodes.map(async (node) => {
        try {
          await this.#components.hub.call(node, "pull.check", { url }, { timeoutMs: CHECK_TIMEOUT_MS });
          return { node, code: undefined };
        } catch (error) {
          if (!isCodedError(error)) throw error;
          return { node, code: error instanceof RemoteError ? error.code : "PLACEMENT_NOBODY" };
        }
      }),
    );
  }

  #requireTaken(answers: readonly Answer[]): Address[] {
    const taken = answers.filter(({ code }) => code === undefined).map(({ node }) => node);
    const code = answers[0]?.code;
    if (taken.length > 0) return taken;
    // A node may say what it likes; a buyer hears only what has a meaning to it.
    if (code?.startsWith("PULL_") === true) throw new PublicError({ code });
    throw new BalancerError({ code: "PLACEMENT_NOBODY", primitive: "ingest" });
  }

  /** @throws PULL_NOT_YOURS: only whom this balancer gave the source may publish it */
  requirePuller(stream: Hex, node: Address): void {
    if (this.#given.get(stream)?.node !== node) throw new BalancerError({ code: "PULL_NOT_YOURS", stream });
  }

  /** How the source does, as its node says. */
  async state(from: Address, { stream, code }: NodeRequest<"pull.state">): Promise<void> {
    this.requirePuller(stream, from);
    if (code === null) this.#offers.forget(stream);
    else if (pullGivenBack.has(code)) {
      this.#given.delete(stream);
      this.#offers.refused(stream, from, code);
    }
    await this.#note(stream, code);
  }

  /** Somebody asked where it plays. */
  wanted(stream: StreamRow): void {
    if (stream.pull?.when !== "viewers" || stream.state === "ended") return;
    this.#parts.demand.want(stream.id);
    this.look();
  }

  /** The chain says that the buyer may promise more: a node that was refused for want of it begins anew at once. */
  funded(buyer: Address): void {
    for (const stream of this.#open()) {
      const given = this.#given.get(stream.id);
      if (stream.buyer !== buyer || stream.pullCode !== "BUYER_UNFUNDED" || given === undefined) continue;
      this.#given.delete(stream.id);
      this.#parts.tasks.run(() => this.#tellEnd(stream.id, given.node));
    }
    this.look();
  }

  /** A node came into session: it may have forgotten what it fetched. */
  joined(node: Address): void {
    for (const given of this.#given.values()) if (given.node === node) given.isTold = false;
    this.#offers.joined(node);
    this.look();
  }

  look(): void {
    const { tasks } = this.#parts;
    if (tasks.signal.aborted) return;
    const { demand } = this.#parts;
    const open = this.#open();
    this.#offers.retain(new Set(open.map(({ id }) => id)));
    const wanted = open.filter((stream) => stream.endCode === null && this.#isWanted(stream));
    const ids = new Set(wanted.map(({ id }) => id));
    demand.retain(ids);
    for (const [stream, { node }] of this.#given) {
      if (ids.has(stream)) continue;
      this.#given.delete(stream);
      tasks.run(() => this.#tellEnd(stream, node));
    }
    for (const stream of wanted) {
      if (this.#busy.has(stream.id)) continue;
      this.#busy.add(stream.id);
      tasks.run(() => this.#keep(stream).finally(() => this.#busy.delete(stream.id)));
    }
  }

  async #keep(stream: PulledStream): Promise<void> {
    const { hub, clock } = this.#components;
    const given = this.#given.get(stream.id);
    if (given !== undefined) {
      if (hub.nodes.has(given.node)) given.lostAtMs = undefined;
      else given.lostAtMs ??= clock.nowMs();
      if (given.lostAtMs !== undefined && clock.nowMs() - given.lostAtMs < this.#options.sessionGraceMs) return;
      if (given.lostAtMs === undefined && (given.isTold || (await this.#tell(stream, given.node)))) return;
      this.#given.delete(stream.id);
    }
    const { scheme } = parseSource(stream.pull.url);
    const able = stream.ingestNodes.filter((node) => this.#parts.nodes.pulls(node, scheme));
    if (!(await this.#offer(stream, able))) await this.#offer(stream, await this.#chooseAnew(stream, scheme));
  }

  /** Whether one of them fetches it. */
  async #offer(stream: PulledStream, nodes: readonly Address[]): Promise<boolean> {
    for (const node of nodes) {
      if (this.#offers.mayAsk(stream.id, node) && (await this.#tell(stream, node))) return true;
    }
    return false;
  }

  /** Whether the node fetches it. */
  async #tell({ id: stream, pull: { url } }: PulledStream, node: Address): Promise<boolean> {
    const given: Given = { node, isTold: true, lostAtMs: undefined };
    // Before it is asked: what it fetches may be there before its answer is.
    this.#given.set(stream, given);
    try {
      const { code } = await this.#components.hub.call(node, "pull.begin", { stream, url });
      await this.#note(stream, code);
      return true;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.#components.logger.debug("Give source failed", { streamId: stream, node, code: error.code });
      if (this.#given.get(stream) === given) this.#given.delete(stream);
      this.#offers.refused(stream, node, error.code);
      if (error instanceof RemoteError) await this.#note(stream, error.code);
      return false;
    }
  }

  /** Others, where it is time: a decision is written each time, and none while nobody is there. */
  async #chooseAnew(stream: PulledStream, scheme: string): Promise<Address[]> {
    const { streams, jobs, nodes } = this.#parts;
    const live = jobs.part(stream.id, "ingest");
    const leftOut = this.#offers.leaveOut(stream.id, nodes.listPulling(scheme), stream.ingestNodes);
    if (live === undefined) return [];
    try {
      if (leftOut === undefined) throw new BalancerError({ code: "PLACEMENT_NOBODY", primitive: "ingest" });
      this.#offers.choose(stream.id);
      const chosen = await nodes.choose(stream, live, scheme, leftOut);
      this.#offers.found(stream.id);
      const answers = await this.#check(chosen, stream.pull.url);
      for (const { node, code } of answers) if (code !== undefined) this.#offers.refused(stream.id, node, code);
      const ingestNodes = this.#requireTaken(answers);
      await streams.change(stream.id, { ingestNodes });
      return ingestNodes;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      // That nobody is left says less than why those that were asked refused.
      if (!this.#offers.isRefused(stream.id)) await this.#note(stream.id, error.code);
      return [];
    }
  }

  async #tellEnd(stream: Hex, node: Address): Promise<void> {
    await this.#components.hub.call(node, "pull.end", { stream }).catch((error) => {
      this.#components.logger.debug("Tell end of pull failed", { streamId: stream, error });
    });
    // Why nothing came before says nothing of the next time.
    if (!this.#given.has(stream)) await this.#note(stream, null);
  }

  async #note(stream: Hex, code: string | null): Promise<void> {
    const row = await this.#parts.streams.find(stream);
    if (row === undefined || row.pullCode === code) return;
    await this.#parts.streams.change(stream, { pullCode: code });
  }

  #isWanted(stream: PulledStream): boolean {
    return stream.pull.when === "always" || this.#parts.demand.isWanted(stream);
  }

  #open(): PulledStream[] {
    return this.#parts.streams.open().filter((stream): stream is PulledStream => stream.pull !== null);
  }
}
