import type { DurableFacts } from "@leat/node/kernel/durable-facts.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { type AbiEvent, keccak256, stringToHex, toEventSignature } from "viem";
import type { ReaderPosition } from "./event-reader.ts";
import { RegistryHistory } from "./registry-history.ts";
import { FOLD_VERSION, RegistryState } from "./registry-state.ts";

/** Blocks that the base moves on between two times that it is written down. */
const BLOCKS_BETWEEN = 64n;
const POSITION = "position";

/**
 * Writes down what the events of the older blocks fold into, so that a start reads only what came after. What was kept
 * for other contracts, other events or another way of folding is never found.
 */
export class RegistryKeeper {
  readonly #facts: DurableFacts;
  readonly #kind: string;
  #kept: ReaderPosition | undefined;

  constructor(facts: DurableFacts, deployment: Deployment, events: readonly AbiEvent[]) {
    const { chainId, escrow, operatorRegistry, clusterRegistry } = deployment;
    const signatures = events.map((event) => toEventSignature(event)).sort();
    const identity = [FOLD_VERSION, chainId, escrow, operatorRegistry, clusterRegistry, ...signatures].join(" ");
    this.#facts = facts;
    this.#kind = `registry-${keccak256(stringToHex(identity)).slice(2, 18)}`;
  }

  /** Where to begin: what was kept. Whether the chain still holds it is for the reader to find. */
  async load(): Promise<RegistryHistory> {
    const entries = new Map(await this.#facts.list(this.#kind));
    const position = entries.get(POSITION) as ReaderPosition | undefined;
    if (position === undefined) return new RegistryHistory();
    entries.delete(POSITION);
    this.#kept = position;
    return new RegistryHistory(RegistryState.restore(entries), position);
  }

  /** Writes down the base of `history` if it moved on far enough. */
  async keep(history: RegistryHistory, isLast = false): Promise<void> {
    const position = history.basePosition;
    if (position === undefined || position.blockHash === this.#kept?.blockHash) return;
    const isFar = this.#kept === undefined || position.blockNumber - this.#kept.blockNumber >= BLOCKS_BETWEEN;
    if (!isFar && !isLast) return;
    await history.writeBase(this.#kind, (changes) =>
      this.#facts.change([...changes, { kind: this.#kind, id: POSITION, value: position }]),
    );
    this.#kept = position;
  }

  /** Forgets everything: the chain is another. */
  async forget(): Promise<void> {
    const entries = await this.#facts.list(this.#kind);
    await this.#facts.change(entries.map(([id]) => ({ kind: this.#kind, id, value: undefined })));
    this.#kept = undefined;
  }
}
