import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Static, Type } from "typebox";
import { createTransport, type Transport } from "viem";
import { believedHead, isNear } from "./believed-head.ts";
import { ChainError, EndpointFailure } from "./errors.ts";
import { RpcEndpoint, type RpcRequest } from "./rpc-endpoint.ts";

export const rpcOptions = Type.Object(
  {
    requestsPerSecond: Type.Integer({
      default: 200,
      minimum: 1,
      maximum: 10_000,
      description: "Calls that one endpoint is asked in a second at most",
    }),
    maxRestMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description: "A failing endpoint is left alone for up to so long, milliseconds",
    }),
    maxLagBlocks: Type.Integer({
      default: 5,
      minimum: 0,
      maximum: 10_000,
      description: "An endpoint whose head is more blocks behind or ahead of the others' is not asked for the head",
    }),
    compareEveryMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description: "Pause between looks at the heads of all endpoints, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface RpcPoolComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface RpcPoolOptions extends Static<typeof rpcOptions> {
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly timeoutMs: number;
}

/** Times that all endpoints are gone through before a call fails. */
const ROUNDS = 2;
/** A head that has not risen for so long, while another's has, stands still. */
const STILL_MS = 60_000;

/**
 * All endpoints as one. The first of the settings that is well is asked; where it fails, the next. One that speaks of
 * another chain is never used, one that lags or claims a head that no other has is not asked for it, and none is asked
 * for a block that it is not known to have: what it does not have it answers with nothing, as if nothing had happened
 * there. What the first says of its own blocks is believed: endpoints are as trusted as their order.
 */
export class RpcPool {
  readonly #endpoints: readonly RpcEndpoint[];
  readonly #components: RpcPoolComponents;
  readonly #options: RpcPoolOptions;
  readonly #calls;
  #comparedAtMs = Number.NEGATIVE_INFINITY;

  constructor(components: RpcPoolComponents, options: RpcPoolOptions) {
    this.#components = components;
    this.#options = options;
    this.#endpoints = options.urls.map((url, index) => new RpcEndpoint(index, url, components.clock, options));
    const { metrics } = components;
    this.#calls = metrics.counter({
      name: "leat_chain_rpc_calls_total",
      help: "Calls to each endpoint, by its place in the settings and by how they ended",
      labelNames: ["endpoint", "result"],
    });
    metrics.gauge({
      name: "leat_chain_rpc_endpoints_usable",
      help: "Endpoints of the right chain that do not rest after failures",
      collect: () => this.#endpoints.filter((one) => one.chain !== "wrong" && !one.isResting).length,
    });
  }

  get transport(): Transport {
    return () =>
      createTransport({
        key: "leat",
        name: "leat",
        type: "leat",
        retryCount: 0,
        request: (call) => this.request(call as RpcRequest) as never,
      });
  }

  /** Throws CHAIN_WRONG when every endpoint that answers is of another chain, CHAIN_UNREACHABLE when none answers. */
  async connect(): Promise<void> {
    this.#comparedAtMs = this.#components.clock.nowMs();
    const found = await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        const chainId = await this.#checkChain(endpoint).catch(() => undefined);
        return chainId;
      }),
    );
    await this.#compare(this.#endpoints.filter(({ chain }) => chain === "right"));
    if (this.#endpoints.some(({ chain }) => chain === "right")) return;
    const other = found.find((chainId) => chainId !== undefined);
    if (other !== undefined) throw new ChainError({ code: "CHAIN_WRONG", wanted: this.#options.chainId, found: other });
    throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_chainId", reason: "no endpoint answers" });
  }

  async request(call: RpcRequest): Promise<unknown> {
    const wanted = neededBlock(call);
    if (wanted === "head") this.#compareHeads();
    let last: Error | undefined;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const tried = new Set<RpcEndpoint>();
      for (let next = this.#choose(tried, wanted); next !== undefined; next = this.#choose(tried, wanted)) {
        tried.add(next);
        try {
          return await this.#askEndpoint(next, call, wanted);
        } catch (error) {
          if (!(error instanceof EndpointFailure)) throw error;
          last = error;
        }
      }
    }
    throw last ?? new EndpointFailure(0, "none of the endpoints is of the right chain");
  }

  /** The first that may be asked at once; else the one that may be asked soonest. */
  #choose(tried: ReadonlySet<RpcEndpoint>, wanted: bigint | "head" | undefined): RpcEndpoint | undefined {
    const left = this.#endpoints.filter((endpoint) => endpoint.chain !== "wrong" && !tried.has(endpoint));
    const atHead = left.filter(({ isBelieved }) => isBelieved);
    const able = wanted === "head" && atHead.length > 0 ? atHead : left;
    return able.toSorted((one, other) => one.waitMs - other.waitMs || one.index - other.index)[0];
  }

  async #askEndpoint(endpoint: RpcEndpoint, call: RpcRequest, wanted: bigint | "head" | undefined): Promise<unknown> {
    const { clock } = this.#components;
    const { timeoutMs } = this.#options;
    // A rest is waited for only where it is shorter than an answer may take.
    if (endpoint.waitMs > timeoutMs) throw new EndpointFailure(endpoint.index, "rests, or has too much to do");
    const waitMs = endpoint.reserve();
    if (waitMs > 0) await clock.sleep(waitMs);
    if (endpoint.chain === undefined) await this.#checkChain(endpoint);
    if (endpoint.chain === "wrong") throw new EndpointFailure(endpoint.index, "another chain");
    if (typeof wanted === "bigint" && endpoint.head < wanted) {
      await this.#readHead(endpoint);
      if (endpoint.head < wanted) throw new EndpointFailure(endpoint.index, "lags", true);
    }
    const result = await this.#count(endpoint, call);
    if (call.method === "eth_blockNumber") endpoint.head = BigInt(result as string);
    return result;
  }

  async #checkChain(endpoint: RpcEndpoint): Promise<number> {
    const found = Number(await this.#count(endpoint, { method: "eth_chainId" }));
    endpoint.chain = found === this.#options.chainId ? "right" : "wrong";
    if (endpoint.chain === "wrong") {
      const { logger } = this.#components;
      logger.error("Endpoint left out: it is of another chain", {
        endpoint: endpoint.index,
        wanted: this.#options.chainId,
        found,
      });
    }
    return found;
  }

  async #readHead(endpoint: RpcEndpoint): Promise<void> {
    endpoint.head = BigInt((await this.#count(endpoint, { method: "eth_blockNumber" })) as string);
  }

  /**
   * Now and then every endpoint is asked, so that one that lags is found before it is needed. Nobody waits for it: each
   * call ends by its own time-out, and who fails or stalls has failed for all.
   */
  #compareHeads(): void {
    const { clock } = this.#components;
    if (this.#endpoints.length < 2 || clock.nowMs() - this.#comparedAtMs < this.#options.compareEveryMs) return;
    this.#comparedAtMs = clock.nowMs();
    const asked = this.#endpoints.filter(({ chain, waitMs }) => chain === "right" && waitMs === 0);
    for (const endpoint of asked) endpoint.reserve();
    void this.#compare(asked);
  }

  /** Heads that were read long after each other say nothing of who is right. */
  async #compare(asked: readonly RpcEndpoint[]): Promise<void> {
    const { logger } = this.#components;
    const maxLag = BigInt(this.#options.maxLagBlocks);
    const read = (endpoint: RpcEndpoint) =>
      this.#readHead(endpoint).then(
        () => true,
        () => false,
      );
    const isRead = await Promise.all(asked.map(read));
    const answered = asked.filter((_, at) => isRead[at]);
    const told = answered.map(({ head, stillMs }) => ({ head, isRising: stillMs < STILL_MS }));
    const believed = believedHead(told, maxLag);
    if (believed === undefined) return;
    for (const endpoint of answered) {
      const { head, index, isBelieved } = endpoint;
      endpoint.isBelieved = isNear(head, believed, maxLag);
      if (endpoint.isBelieved || !isBelieved) continue;
      logger.warn("Endpoint is not asked for the head: others say otherwise", { endpoint: index, head, believed });
    }
  }

  async #count(endpoint: RpcEndpoint, call: RpcRequest): Promise<unknown> {
    const note = (result: string) => this.#calls.add(1, { endpoint: String(endpoint.index), result });
    try {
      const result = await endpoint.request(call);
      note("answered");
      return result;
    } catch (error) {
      const hasFailed = error instanceof EndpointFailure;
      note(hasFailed ? "failed" : "refused");
      if (hasFailed)
        this.#components.logger.debug("Endpoint failed", { endpoint: endpoint.index, reason: error.message });
      throw error;
    }
  }
}

/** What an endpoint must have to answer truly: a block, the head of the chain, or nothing of either. */
function neededBlock({ method, params }: RpcRequest): bigint | "head" | undefined {
  const list = (Array.isArray(params) ? params : []) as unknown[];
  if (method === "eth_blockNumber") return "head";
  if (method === "eth_getLogs") return asBlock((list[0] as { toBlock?: unknown } | undefined)?.toBlock);
  if (method === "eth_getBlockByNumber") return asBlock(list[0]);
  if (["eth_call", "eth_getTransactionCount", "eth_getBalance", "eth_estimateGas"].includes(method)) {
    return asBlock(list[1]);
  }
  return method === "eth_getTransactionReceipt" ? "head" : undefined;
}

function asBlock(tag: unknown): bigint | "head" {
  return typeof tag === "string" && tag.startsWith("0x") ? BigInt(tag) : "head";
}
