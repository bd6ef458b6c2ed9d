import type { Hex } from "@leat/sdk/protocol/hex.ts";
import {
  type AbiEvent,
  type Address,
  BlockNotFoundError,
  type Log,
  numberToHex,
  type PublicClient,
  parseEventLogs,
  type RpcLog,
  toEventSelector,
} from "viem";
import { ChainError, causesOf, EndpointFailure, isPageRefused, reasonOf } from "./errors.ts";

/** Everything up to and with this block was handed on. */
export interface ReaderPosition {
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  /** Hash of the first block that was ever read: tells another chain, or one started anew, from an endpoint that lags. */
  readonly originHash: Hex;
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
  /** Blocks asked for at once; halved as often as an endpoint refuses, down to one. */
  readonly pageBlocks: bigint;
  /** No page crosses the block that has so many confirmed ones on top: what is below it can be kept apart. Default 0. */
  readonly apartBlocks?: bigint;
}

export type DecodedLog = Log<bigint, number, false> & {
  readonly eventName: string;
  readonly args: Readonly<Record<string, unknown>>;
};

export interface EventPage {
  readonly logs: readonly DecodedLog[];
  readonly position: ReaderPosition;
  /** It ends at the newest confirmed block. */
  readonly isNewest: boolean;
}

/** Blocks by which an endpoint may lag behind another one that gave the head. One that lacks more lacks them for good. */
const MAX_LAG_BLOCKS = 128n;
/** Pages that have to pass before a larger one is tried again. */
const PAGES_UNTIL_LARGER = 8;

/**
 * Events in order, once each, only from blocks that have `confirmedDepth` blocks on top: a reorganisation above that
 * depth is never seen. A deeper one is found by the position's hash and throws CHAIN_REPLACED: what was read after the
 * newest position that `holds` is void. A head that goes backwards, as endpoints that lag show it, is nothing new.
 */
export class EventReader {
  readonly #publicClient: PublicClient;
  readonly #options: EventReaderOptions;
  readonly #selectors: Hex[];
  #pageBlocks: bigint;
  #pagesPassed = 0;

  constructor(components: EventReaderComponents, options: EventReaderOptions) {
    this.#publicClient = components.publicClient;
    this.#options = options;
    this.#selectors = options.events.map((event) => toEventSelector(event));
    this.#pageBlocks = options.pageBlocks;
  }

  /** The next page after `position` (undefined: from the beginning); undefined when there is nothing new. */
  async next(position: ReaderPosition | undefined): Promise<EventPage | undefined> {
    const { fromBlock, confirmedDepth, apartBlocks = 0n } = this.#options;
    const head = await this.#ask("eth_blockNumber", (client) => client.getBlockNumber());
    const confirmed = head - BigInt(confirmedDepth);
    const first = position === undefined ? fromBlock : position.blockNumber + 1n;
    // A single new block names the one before it: nobody need be asked whether that still stands.
    const follows = position !== undefined && first === confirmed ? position : undefined;
    if (position !== undefined && follows === undefined && !(await this.#checkPosition(position, head)))
      return undefined;
    if (first > confirmed) return undefined;
    const apart = confirmed - apartBlocks;
    const end = first <= apart ? apart : confirmed;
    for (;;) {
      const last = first + this.#pageBlocks - 1n < end ? first + this.#pageBlocks - 1n : end;
      try {
        const { parentHash, page } = await this.#read(first, last, confirmed, position?.originHash);
        if (follows === undefined || parentHash === follows.blockHash) return page;
        await this.#checkPosition(follows, head);
        // The block was one of another branch, and is gone again.
        return undefined;
      } catch (error) {
        if (!isPageRefused(error) || last === first) throw error;
        this.#pagesPassed = 0;
        this.#pageBlocks = (last - first + 1n) / 2n;
      }
    }
  }

  /** Whether a position is on the chain; undefined when the endpoint has no block of that height. */
  async holds(position: ReaderPosition): Promise<boolean | undefined> {
    const hash = await this.#hashOf(position.blockNumber);
    return hash === undefined ? undefined : hash === position.blockHash;
  }

  /** Whether it is the chain that a position was read from, as far as its first block tells. */
  async isSameChain(position: ReaderPosition): Promise<boolean> {
    return (await this.#hashOf(this.#options.fromBlock)) === position.originHash;
  }

  async #read(
    first: bigint,
    last: bigint,
    confirmed: bigint,
    origin: Hex | undefined,
  ): Promise<{ page: EventPage; parentHash: Hex }> {
    const { addresses, events, fromBlock, pageBlocks } = this.#options;
    // The hash is taken before the logs: logs of a block that was replaced in between fail the next check.
    const block = await this.#ask("eth_getBlockByNumber", (client) => client.getBlock({ blockNumber: last }));
    const range = { fromBlock: numberToHex(first), toBlock: numberToHex(last) };
    const found: RpcLog[] = await this.#ask("eth_getLogs", (client) =>
      client.request({
        method: "eth_getLogs",
        params: [{ address: [...addresses], topics: [this.#selectors], ...range }],
      }),
    );
    // Mostly there is none, and preparing to decode costs more than the rest of the answer.
    const logs = found.length === 0 ? [] : parseEventLogs({ abi: [...events], logs: found as Log[], strict: true });
    const ordered = (logs as unknown as DecodedLog[]).toSorted(
      (left, right) => Number(left.blockNumber - right.blockNumber) || left.logIndex - right.logIndex,
    );
    const originHash =
      origin ?? (await this.#ask("eth_getBlockByNumber", (client) => client.getBlock({ blockNumber: fromBlock }))).hash;
    this.#pagesPassed += 1;
    if (this.#pageBlocks < pageBlocks && this.#pagesPassed >= PAGES_UNTIL_LARGER) {
      this.#pagesPassed = 0;
      this.#pageBlocks = this.#pageBlocks * 2n < pageBlocks ? this.#pageBlocks * 2n : pageBlocks;
    }
    const position = { blockNumber: last, blockHash: block.hash, originHash };
    return { page: { logs: ordered, position, isNewest: last === confirmed }, parentHash: block.parentHash };
  }

  /** False when this endpoint does not have the block yet. */
  async #checkPosition(position: ReaderPosition, head: bigint): Promise<boolean> {
    const holds = await this.holds(position);
    if (holds === true) return true;
    if (holds === undefined && (await this.isSameChain(position))) {
      if (head - position.blockNumber <= MAX_LAG_BLOCKS) return false;
      const reason = `block ${position.blockNumber} is not there, though the head is ${head}`;
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_getBlockByNumber", reason });
    }
    throw new ChainError({ code: "CHAIN_REPLACED", checkpoint: position.blockNumber, head });
  }

  async #hashOf(blockNumber: bigint): Promise<Hex | undefined> {
    return await this.#ask("eth_getBlockByNumber", (client) =>
      client.getBlock({ blockNumber }).then(
        ({ hash }) => hash ?? undefined,
        (error) => {
          if ([...causesOf(error)].some(isBlockLacking)) return undefined;
          throw error;
        },
      ),
    );
  }

  async #ask<T>(method: string, call: (client: PublicClient) => Promise<T>): Promise<T> {
    try {
      return await call(this.#publicClient);
    } catch (cause) {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
    }
  }
}

function isBlockLacking(cause: unknown): boolean {
  return cause instanceof BlockNotFoundError || (cause instanceof EndpointFailure && cause.lags);
}
