import { Agent, errors, request } from "undici";
import { ResponseBodyTooLargeError, RpcRequestError } from "viem";

export interface JsonRpcOptions {
  /** How errors call it: its address may hold a key. */
  readonly name: string;
  /** From the first byte sent to the last one read, milliseconds. */
  readonly timeoutMs: number;
}

/** It answered, and not with JSON-RPC. `retryAfter` as it said it: seconds or a date. */
export class HttpStatusError extends Error {
  readonly status: number;
  readonly retryAfter: string | undefined;

  constructor(status: number, retryAfter: string | undefined) {
    super(`HTTP ${status}`);
    this.name = "HttpStatusError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const MAX_ANSWER_BYTES = 10_485_760;
const CONNECTIONS = 32;

/** JSON-RPC 2.0 over HTTP, one call a request, over connections that are kept. */
export class JsonRpc {
  readonly #options: JsonRpcOptions;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;
  #lastId = 0;

  /** @param url May hold a user and a password. */
  constructor(url: string, options: JsonRpcOptions) {
    const address = new URL(url);
    const { username, password } = address;
    address.username = "";
    address.password = "";
    this.#url = address.href;
    const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
    this.#headers = {
      "content-type": "application/json",
      ...(username === "" ? {} : { authorization: `Basic ${login}` }),
    };
    this.#options = options;
    const { timeoutMs } = options;
    this.#agent = new Agent({
      connections: CONNECTIONS,
      connect: { timeout: timeoutMs },
      maxResponseSize: MAX_ANSWER_BYTES,
    });
  }

  /**
   * What the method answered.
   * @throws RpcRequestError what the endpoint refused it with, ResponseBodyTooLargeError, HttpStatusError, DOMException
   * `TimeoutError`, and what a connection fails with.
   */
  async call(method: string, params: unknown): Promise<unknown> {
    this.#lastId += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#lastId, method, params });
    const { status, retryAfter, text } = await this.#post(body);
    // Busy, whatever else it says: when to ask again stands in the header alone.
    if (status === 429 || status === 503) throw new HttpStatusError(status, retryAfter);
    const answer = parse(text);
    if (answer?.error !== undefined) {
      throw new RpcRequestError({ body: { method }, error: answer.error, url: this.#options.name });
    }
    if (status < 200 || status > 299 || answer === undefined) throw new HttpStatusError(status, retryAfter);
    return answer.result;
  }

  async #post(body: string): Promise<{ status: number; retryAfter: string | undefined; text: string }> {
    try {
      const {
        statusCode,
        headers,
        body: answer,
      } = await request(this.#url, {
        method: "POST",
        headers: this.#headers,
        body,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(this.#options.timeoutMs),
      });
      const retryAfter = headers["retry-after"];
      const text = await answer.text();
      return { status: statusCode, retryAfter: typeof retryAfter === "string" ? retryAfter : undefined, text };
    } catch (error) {
      if (!(error instanceof errors.ResponseExceededMaxSizeError)) throw error;
      throw new ResponseBodyTooLargeError({ maxSize: MAX_ANSWER_BYTES, size: MAX_ANSWER_BYTES });
    }
  }
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { code: number; message: string };
}

/** Undefined where it is no answer of JSON-RPC. */
function parse(text: string): Answer | undefined {
  try {
    const answer = JSON.parse(text) as {
      result?: unknown;
      error?: { code?: unknown; message?: unknown } | null;
    } | null;
    if (typeof answer !== "object" || answer === null) return undefined;
    const { error, result } = answer;
    if (error === undefined || error === null) return "result" in answer ? { result } : undefined;
    const { code, message } = error;
    return typeof code === "number" && typeof message === "string" ? { error: { ...error, code, message } } : undefined;
  } catch {
    return undefined;
  }
}
