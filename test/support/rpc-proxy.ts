import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** What happens to a call in place of being passed on and answered. */
export type RpcFault =
  /** Never answered, never passed on; the connection stays open. */
  | { readonly kind: "stall" }
  /** The connection is closed and nothing passed on. */
  | { readonly kind: "drop" }
  /** Passed on; then the connection is closed without the answer. */
  | { readonly kind: "dropAnswer" }
  /** Answered with a JSON-RPC error, not passed on. */
  | { readonly kind: "error"; readonly code: number; readonly message: string }
  /** Answered with a status of HTTP, not passed on. */
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Answered with this result, not passed on. */
  | { readonly kind: "answer"; readonly result: (call: RpcCall) => unknown }
  /** Passed on, and another result answered in place of the true one. */
  | { readonly kind: "rewrite"; readonly result: (truth: unknown, call: RpcCall) => unknown };

export interface FaultRule {
  /** Calls that it met so far. */
  readonly hits: number;
  /** Resolves when it has met so many calls. */
  whenHit(count?: number): Promise<void>;
  remove(): void;
}

/** JSON-RPC over HTTP in front of another endpoint, with faults on order. */
export interface RpcProxy {
  readonly url: string;
  /** Every call that arrived, in order. */
  readonly calls: readonly RpcCall[];
  /**
   * Spoils calls of these methods ("*": all) from now on; the newest rule that fits wins.
   * @param limits `times`: so many calls and no more. `when`: only calls for which it is true.
   */
  fault(
    methods: string | readonly string[],
    fault: RpcFault,
    limits?: { readonly times?: number; readonly when?: (call: RpcCall) => boolean },
  ): FaultRule;
  /** Removes every rule. Calls that stalled stay unanswered. */
  heal(): void;
  /** How often a method was called. */
  count(method: string): number;
  /** Resolves when a method was called so often in all. */
  whenCalled(method: string, count?: number): Promise<void>;
  close(): Promise<void>;
}

interface Rule {
  readonly methods: readonly string[];
  readonly fault: RpcFault;
  readonly when: (call: RpcCall) => boolean;
  left: number;
  hits: number;
}

class Cut extends Error {}

export async function openRpcProxy(target: string): Promise<RpcProxy> {
  const calls: RpcCall[] = [];
  let rules: Rule[] = [];
  let waiters: { readonly isDue: () => boolean; readonly resolve: () => void }[] = [];
  const notify = () => {
    const due = waiters.filter(({ isDue }) => isDue());
    waiters = waiters.filter((waiter) => !due.includes(waiter));
    for (const { resolve } of due) resolve();
  };
  const until = (isDue: () => boolean) =>
    isDue() ? Promise.resolve() : new Promise<void>((resolve) => waiters.push({ isDue, resolve }));
  const countOf = (method: string) => calls.filter((call) => call.method === method).length;

  const take = (call: RpcCall): RpcFault | undefined => {
    calls.push(call);
    const rule = rules.findLast(
      ({ methods, when, left }) => left > 0 && (methods.includes("*") || methods.includes(call.method)) && when(call),
    );
    if (rule !== undefined) {
      rule.left -= 1;
      rule.hits += 1;
    }
    notify();
    return rule?.fault;
  };

  const server = createServer((request, response) => {
    serve(request, response, target, take).catch(() => request.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    fault(methods, fault, { times = Number.POSITIVE_INFINITY, when = () => true } = {}) {
      const list = typeof methods === "string" ? [methods] : methods;
      const rule: Rule = { methods: list, fault, when, left: times, hits: 0 };
      rules.push(rule);
      return {
        get hits() {
          return rule.hits;
        },
        whenHit: (count = 1) => until(() => rule.hits >= count),
        remove() {
          rules = rules.filter((other) => other !== rule);
        },
      };
    },
    heal() {
      rules = [];
    },
    count: countOf,
    whenCalled: (method, count = 1) => until(() => countOf(method) >= count),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  take: (call: RpcCall) => RpcFault | undefined,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as RpcBody | RpcBody[];
  const answers: unknown[] = [];
  for (const one of Array.isArray(body) ? body : [body]) {
    const call = { method: one.method, params: one.params ?? [] };
    const fault = take(call);
    if (fault?.kind === "stall") return;
    if (fault?.kind === "status") {
      response.writeHead(fault.status, { ...fault.headers }).end();
      return;
    }
    answers.push({ jsonrpc: "2.0", id: one.id, ...(await answer(one, call, fault, target)) });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]));
}

interface RpcBody {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

/** The part of the answer that a fault can change. Throws where the connection is to be cut. */
async function answer(body: RpcBody, call: RpcCall, fault: RpcFault | undefined, target: string): Promise<object> {
  if (fault?.kind === "drop") throw new Cut();
  if (fault?.kind === "error") return { error: { code: fault.code, message: fault.message } };
  if (fault?.kind === "answer") return { result: fault.result(call) };
  const passed = await fetch(target, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", ...body }),
  });
  const { result, error } = (await passed.json()) as { result?: unknown; error?: unknown };
  if (fault?.kind === "dropAnswer") throw new Cut();
  if (error !== undefined) return { error };
  return { result: fault?.kind === "rewrite" ? fault.result(result, call) : result };
}
