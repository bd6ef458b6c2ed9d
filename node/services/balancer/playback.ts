import { generateKeyPairSync, randomBytes } from "node:crypto";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import { MAX_TOKEN_SECONDS, type PlaybackKey, type PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { signToken } from "../../media-io/access/token.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import { keepTrying } from "./keep-trying.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

export interface PlaybackParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly tasks: TaskGroup;
}

/** As long as a token may stand, for an edge whose clock is late. */
const TICKET_SECONDS = MAX_TOKEN_SECONDS - 2 * MAX_CLOCK_ERROR_SECONDS;

/**
 * Gives edges the policies of their streams, and keeps them the newest. Beside the buyer's keys an edge gets one of
 * this process: what it signs lets the buyer's agent in, which looks at edges as a viewer.
 */
export class PlaybackDesk {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #parts: PlaybackParts;
  readonly #retryMs: number;
  readonly #privateKey;
  readonly #key: PlaybackKey;
  /** One object for one policy: its keys are taken in once. */
  readonly #withKey = new WeakMap<PlaybackPolicy, PlaybackPolicy>();

  constructor(components: Pick<BalancerComponents, "hub" | "clock" | "logger">, parts: PlaybackParts, retryMs: number) {
    this.#components = components;
    this.#parts = parts;
    this.#retryMs = retryMs;
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.#privateKey = privateKey;
    const { x = "" } = publicKey.export({ format: "jwk" });
    const kid = randomBytes(9).toString("base64url");
    this.#key = { kid, alg: "EdDSA", publicKey: { kty: "OKP", crv: "Ed25519", x } };
  }

  /** The policy as whoever decides about viewers gets it. */
  policyOf({ playback, buyer }: Pick<StreamRow, "playback" | "buyer">): PlaybackPolicy {
    if (playback.type === "public") return playback;
    const known = this.#withKey.get(playback);
    if (known !== undefined) return known;
    const keys = [...playback.keys, this.#key];
    const policy = playback.type === "webhook" ? { ...playback, keys, buyer } : { ...playback, keys };
    this.#withKey.set(playback, policy);
    return policy;
  }

  /** What a delivery job says of it: nothing for a public stream, so that nodes that know no policies serve it. */
  specOf(stream: Pick<StreamRow, "playback" | "buyer">): { readonly playback?: PlaybackPolicy } {
    const playback = this.policyOf(stream);
    return playback.type === "public" ? {} : { playback };
  }

  /** A token that lets the buyer's agent in; undefined where nobody needs one. */
  ticketOf({ slug, playback }: Pick<StreamRow, "slug" | "playback">): string | undefined {
    if (playback.type === "public") return undefined;
    const exp = Math.floor(this.#components.clock.nowMs() / 1_000) + TICKET_SECONDS;
    return signToken({ kid: this.#key.kid, privateKey: this.#privateKey }, { sub: slug, exp });
  }

  /** Brings the stream's policy to all edges that serve it; those that do not answer are asked until they do. */
  async tellEdges(stream: StreamRow): Promise<void> {
    const { jobs } = this.#parts;
    const serving = jobs.ofStream(stream.id).filter(({ row }) => row.primitive === "delivery");
    await Promise.all(serving.map((live) => this.tell(live)));
  }

  /** A node that was away may have missed a change, and has the key of another process of ours. */
  async joined(node: Address): Promise<void> {
    const { jobs } = this.#parts;
    const serving = jobs.all().filter((live) => live.row.primitive === "delivery" && live.attempt?.node === node);
    await Promise.all(serving.map((live) => this.tell(live)));
  }

  /** Nothing where the edge's spec has the newest. Resolves after the first try: what is left of it goes on by itself. */
  async tell(live: LiveJob): Promise<void> {
    const { clock } = this.#components;
    await keepTrying({ clock, tasks: this.#parts.tasks, pauseMs: this.#retryMs }, () => this.#try(live));
  }

  /** True when the edge has the newest policy, or is none any more, or will be told when it comes back. */
  async #try(live: LiveJob): Promise<boolean> {
    const { hub, logger } = this.#components;
    const stream = await this.#parts.streams.find(live.row.stream);
    const { spec } = live.row;
    if (stream === undefined || spec.primitive !== "delivery" || !isRunning(live)) return true;
    const { job, attempt, node } = live.attempt;
    const newest = this.specOf(stream);
    if (spec.playback === newest.playback || !hub.nodes.has(node)) return true;
    try {
      await hub.call(node, "job.update", { job, attempt, playback: this.policyOf(stream) });
      await this.#parts.jobs.changeSpec(live, (now) => {
        const { playback: _, ...rest } = now as DeliverySpec;
        return { ...rest, ...newest };
      });
      return true;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.warn("Tell playback policy failed", { jobId: job, node, code: error.code });
      return false;
    }
  }
}
