import type { Clock } from "@leat/node/kernel/clock.ts";
import { TokenBucket } from "@leat/node/kernel/token-bucket.ts";
import { ResponseBodyTooLargeError, RpcRequestError } from "viem";
import { EndpointFailure, isPageRefused, reasonOf } from "./errors.ts";
import { HttpStatusError, JsonRpc } from "./json-rpc.ts";

export interface RpcRequest {
  readonly method: string;
  readonly params?: unknown;
}

export interface EndpointOptions {
  readonly timeoutMs: number;
  readonly requestsPerSecond: number;
  /** The longest that a failing endpoint is left alone. */
  readonly maxRestMs: number;
}

const FIRST_REST_MS = 250;
/** What a busy endpoint may ask for at most: a wish for a day would be an outage. */
const MAX_RETRY_AFTER_MS = 60_000;
const METHOD_UNKNOWN = -32_601;
/** Said by one endpoint of many: another one, or the same later, can answer. Codes of EIP-1474 and of common nodes. */
const FAILED_CODES = new Set([-32_002, -32_005, METHOD_UNKNOWN, -32_603, -32_016, -32_029]);
const FAILED_TEXT =
  /header not found|unknown block|block not found|missing trie node|state .*(not available|unavailable)|rate limit|too many requests|capacity|request count|temporarily|try again|timed? ?out/i;

/**
 * One endpoint with what is known of it: the chain that it speaks of, its head, and how often it failed of late. A
 * failing one rests, longer each time and not in step with others, and is asked for its chain before it is used again.
 */
export class RpcEndpoint {
  readonly index: number;
  readonly #client: JsonRpc;
  readonly #options: EndpointOptions;
  readonly #clock: Clock;
  #restUntilMs = 0;
  #failures = 0;
  readonly #rate: TokenBucket;
  #head = 0n;
  #headRoseAtMs = Number.NEGATIVE_INFINITY;
  /** Whether what it says of the head is believed, by the last comparison with the others. */
  isBelieved = true;
  /** Undefined until it said which chain it speaks of, and again after it failed. */
  chain: "right" | "wrong" | undefined;

  constructor(index: number, url: string, clock: Clock, options: EndpointOptions) {
    this.index = index;
    this.#clock = clock;
    this.#options = options;
    this.#rate = new TokenBucket(clock, { burst: options.requestsPerSecond, refillMs: 1_000 });
    this.#client = new JsonRpc(url, { name: `endpoint ${index}`, timeoutMs: options.timeoutMs });
  }

  /** Newest block that it is known to have. */
  get head(): bigint {
    return this.#head;
  }

  set head(head: bigint) {
    if (head > this.#head) this.#headRoseAtMs = this.#clock.nowMs();
    this.#head = head;
  }

  /** How long its head has not risen. */
  get stillMs(): number {
    return this.#clock.nowMs() - this.#headRoseAtMs;
  }

  /** Milliseconds until it may be asked again: because it failed, or because its rate is used up. */
  get waitMs(): number {
    const rest = Math.max(0, this.#restUntilMs - this.#clock.nowMs());
    return Math.ceil(Math.max(rest, this.#rate.waitMs));
  }

  get isResting(): boolean {
    return this.#restUntilMs > this.#clock.nowMs();
  }

  /** Takes a place in its rate. Answers how long to wait for it, as `waitMs` did before. */
  reserve(): number {
    const { waitMs } = this;
    this.#rate.charge();
    return waitMs;
  }

  /** Throws EndpointFailure where another endpoint may do better, RpcRequestError for what the chain itself answered. */
  async request({ method, params = [] }: RpcRequest): Promise<unknown> {
    try {
      const result = await this.#client.call(method, params);
      this.#failures = 0;
      return result;
    } catch (error) {
      if (error instanceof RpcRequestError && !isEndpointsFault(error)) {
        this.#failures = 0;
        throw error;
      }
      // What was asked cannot be written: no endpoint is to blame.
      if (error instanceof TypeError) throw error;
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): Error {
    // Another endpoint would refuse it as well, and a smaller page passes here.
    if (error instanceof ResponseBodyTooLargeError) return error;
    // A block that it does not have yet, or a method that it never had, says nothing against it.
    const isLacking =
      error instanceof RpcRequestError &&
      (error.code === METHOD_UNKNOWN || /block|header|trie|state/i.test(error.details));
    const retryAfterMs = readRetryAfter(error, this.#clock.nowMs());
    if (!isLacking) {
      this.#failures += 1;
      this.chain = undefined;
      const longest = Math.min(FIRST_REST_MS * 2 ** (this.#failures - 1), this.#options.maxRestMs);
      const rest = retryAfterMs ?? longest * (0.5 + Math.random() / 2);
      this.#restUntilMs = this.#clock.nowMs() + rest;
    }
    return new EndpointFailure(this.index, describe(error));
  }
}

function isEndpointsFault(error: RpcRequestError): boolean {
  if (isPageRefused(error)) return false;
  return FAILED_CODES.has(error.code) || FAILED_TEXT.test(error.details);
}

/** Without its address, which may hold a key. */
function describe(error: unknown): string {
  if (error instanceof HttpStatusError) return error.message;
  if (error instanceof RpcRequestError) return `${error.code} ${reasonOf({ message: error.details })}`;
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? `unreachable (${code})` : "unreachable";
}

/** What a busy endpoint asks for: seconds or a date, as HTTP has it. */
function readRetryAfter(error: unknown, nowMs: number): number | undefined {
  if (!(error instanceof HttpStatusError) || ![429, 503].includes(error.status)) return undefined;
  const text = error.retryAfter;
  if (text === undefined) return undefined;
  const waitMs = /^\d+$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) ? Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS) : undefined;
}
