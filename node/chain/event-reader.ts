import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { AbiEvent, Address, Log, PublicClient } from "viem";
import { ChainError, reasonOf } from "./errors.ts";

/** Everything up to and with this block was handed on. The hash tells another chain, or one started anew, from ours. */
export interface ReaderPosition {
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
}

export interface EventReaderComponents {
  readonly publicClient: PublicClient;
}

export interface EventReaderOptions {
  readonly addresses: readonly Address[];
  readonly events: readonly AbiEvent[];
  /** First block that can hold an event of ours. */
  readonly fromBlock: bigint;
  readonly confirmedDepth: number;
  /** Blocks asked for at once; many endpoints refuse more than some thousands. */
  readonly pageBlocks: bigint;
}

export type DecodedLog = Log<bigint, number, false> & {
  readonly eventName: string;
  readonly args: Readonly<Record<string, unknown>>;
};

export interface EventPage {
  readonly logs: readonly DecodedLog[];
  readonly position: ReaderPosition;
}

/**
 * Events in order, once each, only from blocks that have `confirmedDepth` blocks on top: a reorganisation above that
 * depth is never seen. A deeper one is found by the position's hash and throws CHAIN_REPLACED: what was read is void.
 */
export class EventReader {
  readonly #publicClient: PublicClient;
  readonly #options: EventReaderOptions;

  constructor(components: EventReaderComponents, options: EventReaderOptions) {
    this.#publicClient = components.publicClient;
    this.#options = options;
  }

  /** The next page after `position` (undefined: from the beginning); undefined when there is nothing new. */
  async next(position: ReaderPosition | undefined): Promise<EventPage | undefined> {
    const { addresses, events, fromBlock, confirmedDepth, pageBlocks } = this.#options;
    const confirmed = (await this.#ask("eth_blockNumber", (c) => c.getBlockNumber())) - BigInt(confirmedDepth);
    if (position !== undefined) await this.#checkPosition(position, confirmed);
    const first = position === undefined ? fromBlock : position.blockNumber + 1n;
    if (first > confirmed) return undefined;
    const last = first + pageBlocks - 1n < confirmed ? first + pageBlocks - 1n : confirmed;
    // The hash is taken before the logs: logs of a block that was replaced in between fail the next check.
    const block = await this.#ask("eth_getBlockByNumber", (client) => client.getBlock({ blockNumber: last }));
    const logs = await this.#ask("eth_getLogs", (client) =>
      client.getLogs({ address: [...addresses], events: [...events], fromBlock: first, toBlock: last, strict: true }),
    );
    const ordered = (logs as unknown as DecodedLog[]).toSorted(
      (left, right) => Number(left.blockNumber - right.blockNumber) || left.logIndex - right.logIndex,
    );
    return { logs: ordered, position: { blockNumber: last, blockHash: block.hash } };
  }

  async #checkPosition(position: ReaderPosition, head: bigint): Promise<void> {
    const block = await this.#publicClient.getBlock({ blockNumber: position.blockNumber }).catch((error) => {
      if (/not found/i.test(reasonOf(error))) return undefined;
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_getBlockByNumber", reason: reasonOf(error) });
    });
    if (block?.hash !== position.blockHash) {
      throw new ChainError({ code: "CHAIN_REPLACED", checkpoint: position.blockNumber, head });
    }
  }

  async #ask<T>(method: string, call: (client: PublicClient) => Promise<T>): Promise<T> {
    try {
      return await call(this.#publicClient);
    } catch (cause) {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
    }
  }
}
