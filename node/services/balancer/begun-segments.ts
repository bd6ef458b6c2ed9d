import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { BuyerCredit } from "./buyer-credit.ts";
import { isRunning, type JobBook, type RunningLive } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

/** Most that a node's answer about its position delays a takeover. */
const POSITION_TIMEOUT_MS = 1_000;

/** How far streams are said to have begun, as far as their buyers can pay for it. */
export class BegunSegments {
  readonly #components: Pick<BalancerComponents, "hub" | "payee">;
  readonly #jobs: Pick<JobBook, "ofStream">;
  readonly #credit: Pick<BuyerCredit, "stopOf">;

  constructor(
    components: Pick<BalancerComponents, "hub" | "payee">,
    jobs: Pick<JobBook, "ofStream">,
    credit: Pick<BuyerCredit, "stopOf">,
  ) {
    this.#components = components;
    this.#jobs = jobs;
    this.#credit = credit;
  }

  /** Whatever of these segments has no receipt yet is being worked on, and will have to be paid. Gives what takes it back. */
  note(stream: Hex, sequence: number): () => void {
    const { payee } = this.#components;
    const takeBack = this.#working(stream).map(({ attempt: { job, startSequence } }) =>
      payee.begun(job, BigInt(startSequence), BigInt(sequence)),
    );
    return () => {
      for (const back of takeBack) back();
    };
  }

  /**
   * Whether the buyer's credit covers the stream up to and with this segment: beyond that a node's word counts for nothing,
   * and is not noted, or it would stop all other streams of the buyer.
   */
  mayHave(stream: Hex, sequence: number): boolean {
    const takeBack = this.note(stream, sequence);
    const working = this.#working(stream);
    if (working.length > 0 && working.every(({ row }) => this.#credit.stopOf(row.id) === undefined)) return true;
    takeBack();
    return false;
  }

  /** Who works on every segment: an edge has no receipt of one that nobody watches. */
  #working(stream: Hex): RunningLive[] {
    return this.#jobs
      .ofStream(stream)
      .filter(isRunning)
      .filter(({ row }) => row.primitive !== "delivery");
  }

  /** One past the newest segment that anybody knows of. */
  async findPosition(stream: StreamRow): Promise<number> {
    const { hub } = this.#components;
    const nodes = new Set(
      this.#jobs
        .ofStream(stream.id)
        .filter(isRunning)
        .map((live) => live.attempt.node),
    );
    const known = await Promise.all(
      [...nodes].map(async (node) => {
        try {
          const body = { stream: stream.id };
          const { sequence } = await hub.call(node, "stream.position", body, { timeoutMs: POSITION_TIMEOUT_MS });
          return sequence ?? -1;
        } catch (error) {
          if (!isCodedError(error)) throw error;
          return -1;
        }
      }),
    );
    const most = Math.max(stream.nextSequence, ...known.map((sequence) => sequence + 1));
    // One may have begun since it was told last; more of them only where the buyer's credit covers them.
    const next = stream.nextSequence + 1;
    return most <= next || this.mayHave(stream.id, most - 1) ? most : next;
  }
}
