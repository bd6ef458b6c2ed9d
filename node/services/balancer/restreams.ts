import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { RestreamError } from "../../media-io/restream/errors.ts";
import { parseTarget } from "../../media-io/restream/target-url.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { RemoteError } from "../../wire/errors.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import { BalancerError } from "./errors.ts";
import { askPause, choosePause, GrowingPause } from "./growing-pause.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

export interface RestreamsParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly tasks: TaskGroup;
  /** Has the stream served by edges, as if somebody watched. */
  readonly place: (stream: StreamRow) => Promise<unknown>;
}

interface Given {
  readonly node: Address;
  /** The edge's attempt: a new one on the same node knows of nothing. */
  readonly attempt: string;
  /** What the node was told last; undefined: nothing that it has heard, as far as we know. */
  targets: readonly RestreamTarget[] | undefined;
  /** After it refused. */
  readonly pause: GrowingPause;
}

/** How often it is looked whether every stream that has targets is sent to them. */
const LOOK_MS = 1_000;

/** Keeps the primary edge of each stream that has targets sending it there, for as long as the stream is live. */
export class Restreams {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #parts: RestreamsParts;
  readonly #given = new Map<Hex, Given>();
  /** Streams for which no edge was found. */
  readonly #placing = new Map<Hex, GrowingPause>();
  /** Streams that are being looked at. */
  readonly #busy = new Set<Hex>();

  constructor(components: Pick<BalancerComponents, "hub" | "clock" | "logger">, parts: RestreamsParts) {
    this.#components = components;
    this.#parts = parts;
  }

  start(): void {
    this.#parts.tasks.every(LOOK_MS, () => this.look());
  }

  /** How a target does, as its node says. */
  async state(from: Address, { stream, name, code }: NodeRequest<"restream.state">): Promise<void> {
    if (this.#given.get(stream)?.node !== from) throw new BalancerError({ code: "RESTREAM_NOT_YOURS", stream });
    const row = await this.#parts.streams.find(stream);
    if (row?.targets.some((target) => target.name === name) !== true || row.targetCodes[name] === code) return;
    await this.#parts.streams.change(stream, { targetCodes: { ...row.targetCodes, [name]: code } });
  }

  /** A node came into session: it may have forgotten what it was told. */
  joined(node: Address): void {
    for (const given of this.#given.values()) {
      if (given.node !== node) continue;
      given.targets = undefined;
      given.pause.shorten();
    }
    for (const pause of this.#placing.values()) pause.shorten();
    this.look();
  }

  look(): void {
    const { streams, tasks } = this.#parts;
    if (tasks.signal.aborted) return;
    const wanted = streams
      .open()
      .filter(({ targets, state, renditions }) => targets.length > 0 && state === "live" && renditions !== null);
    const ids = new Set(wanted.map(({ id }) => id));
    for (const stream of this.#placing.keys()) if (!ids.has(stream)) this.#placing.delete(stream);
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

  async #keep(stream: StreamRow): Promise<void> {
    const { jobs, tasks } = this.#parts;
    const { hub, clock, logger } = this.#components;
    const live = jobs.part(stream.id, "primary");
    if (live === undefined || !isRunning(live)) return this.#place(stream);
    this.#placing.delete(stream.id);
    const { node } = live.attempt;
    const attempt = `${live.attempt.job} ${live.attempt.attempt}`;
    const before = this.#given.get(stream.id);
    if (before !== undefined && before.node !== node) tasks.run(() => this.#tellEnd(stream.id, before.node));
    const given =
      before?.attempt === attempt ? before : { node, attempt, targets: undefined, pause: new GrowingPause(askPause) };
    this.#given.set(stream.id, given);
    if (given.targets === stream.targets || !hub.nodes.has(node) || !given.pause.isOver(clock.nowMs())) return;
    given.targets = stream.targets;
    try {
      await hub.call(node, "restream.set", { stream: stream.id, slug: stream.slug, targets: [...stream.targets] });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      given.targets = undefined;
      given.pause.failed(clock.nowMs());
      logger.debug("Tell targets failed", { streamId: stream.id, node, code: error.code });
      if (error instanceof RemoteError) await this.#noteAll(stream, error.code);
    }
  }

  /** Tried for as long as the stream is live; whoever watches may have edges placed at any time. */
  async #place(stream: StreamRow): Promise<void> {
    const nowMs = this.#components.clock.nowMs();
    const pause = this.#placing.get(stream.id) ?? new GrowingPause(choosePause);
    if (!pause.isOver(nowMs)) return;
    this.#placing.set(stream.id, pause);
    pause.failed(nowMs);
    try {
      await this.#parts.place(stream);
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.#components.logger.debug("Place edge for targets failed", { streamId: stream.id, code: error.code });
    }
  }

  async #noteAll({ id, targets }: StreamRow, code: string): Promise<void> {
    const row = await this.#parts.streams.find(id);
    if (row === undefined || targets.every(({ name }) => row.targetCodes[name] === code)) return;
    await this.#parts.streams.change(id, { targetCodes: Object.fromEntries(targets.map(({ name }) => [name, code])) });
  }

  async #tellEnd(stream: Hex, node: Address): Promise<void> {
    const { slug } = (await this.#parts.streams.find(stream)) ?? {};
    if (slug === undefined || !this.#components.hub.nodes.has(node)) return;
    await this.#components.hub.call(node, "restream.set", { stream, slug, targets: [] }).catch((error) => {
      this.#components.logger.debug("Tell end of targets failed", { streamId: stream, error });
    });
  }
}

/**
 * What no node would send to is refused here, by the target's name.
 * @throws RESTREAM_URL_INVALID, RESTREAM_PASSPHRASE_INVALID, RESTREAM_SCHEME_REFUSED, RESTREAM_NAME_TWICE
 */
export function checkTargets(targets: readonly RestreamTarget[]): void {
  for (const [at, { name, url }] of targets.entries()) {
    checkAddress(name, url);
    if (targets.findIndex((other) => other.name === name) === at) continue;
    throw new BalancerError({ code: "RESTREAM_NAME_TWICE", name });
  }
}

function checkAddress(name: string, url: string): void {
  try {
    parseTarget(url);
  } catch (cause) {
    if (!(cause instanceof RestreamError)) throw cause;
    throw new RestreamError({ ...cause.detail, target: name } as RestreamError["detail"], { cause });
  }
}
