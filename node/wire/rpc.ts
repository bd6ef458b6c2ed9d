import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { MAX_CALLS_IN_FLIGHT, MAX_SESSION_MESSAGE_BYTES } from "@leat/sdk/protocol/limits.ts";
import { publicCodeSchema } from "@leat/sdk/protocol/schemas.ts";
import { Type } from "typebox";
import { type Checker, createChecker, decodeValue, encodeValue } from "./cbor.ts";
import { RemoteError, WireError } from "./errors.ts";
import type { FramedStream } from "./framing.ts";
import { defaultFramingLimits, type FramingLimits } from "./framing-limits.ts";
import type { MethodTable, RequestOf, ResponseOf } from "./methods.ts";
import { type Patience, PatientCalls, tailOf } from "./patient-calls.ts";
import type { PeerScores } from "./peer-scores.ts";

/** Calls both ways over one framed stream. A message is CBOR {id, kind, method?, body?, code?}. */

export const rpcFramingLimits: FramingLimits = { ...defaultFramingLimits, maxMessageBytes: MAX_SESSION_MESSAGE_BYTES };

export interface CallOptions {
  readonly timeoutMs?: number;
  /** Waits for no others that could be written along with it. */
  readonly isUrgent?: boolean;
  readonly signal?: AbortSignal;
}

export interface RpcOptions {
  readonly callTimeoutMs: number;
  /** A peer that owes an answer for so long is stuck: the connection ends. */
  readonly stuckMs: number;
  /** Calls that wait for one of the 64 in flight to be answered. */
  readonly maxWaitingCalls: number;
  /** Bad messages before the connection ends. One may be a version's misunderstanding, many are not. */
  readonly maxBadMessages: number;
}

export const defaultRpcOptions: RpcOptions = {
  callTimeoutMs: 10_000,
  stuckMs: 60_000,
  maxWaitingCalls: 4_096,
  maxBadMessages: 8,
};

/** Answers a call, or throws: a coded error is answered by its code, anything else by INTERNAL. */
export type RpcHandler = (method: string, body: unknown) => Promise<unknown>;

export interface RpcComponents {
  readonly logger: Logger;
  readonly scores: PeerScores;
  /** Absent: all calls are sent and taken as they come. */
  readonly patience?: Patience;
}

interface CompiledMethod {
  readonly request: Checker<unknown>;
  readonly response: Checker<unknown>;
  readonly isGathered: boolean;
  /** What a call of it ends with, where it is a patient one. */
  readonly tail: Uint8Array | undefined;
}

export type CompiledMethods = ReadonlyMap<string, CompiledMethod>;

/** Compiled once per table and process: it costs half a millisecond a method. */
export function compileMethods(table: MethodTable): CompiledMethods {
  return new Map(
    Object.entries(table).map(([name, { request, response, isPatient = false, isGathered = isPatient }]) => [
      name,
      {
        request: createChecker(request),
        response: createChecker(response),
        isGathered,
        tail: isPatient ? tailOf(name) : undefined,
      },
    ]),
  );
}

const envelopeChecker = createChecker(
  Type.Object({
    id: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
    kind: Type.Union([Type.Literal("call"), Type.Literal("answer"), Type.Literal("error")]),
    method: Type.Optional(Type.String({ maxLength: 64 })),
    body: Type.Optional(Type.Unknown()),
    code: Type.Optional(publicCodeSchema),
  }),
);

interface Caller {
  resolve(body: unknown): void;
  reject(error: unknown): void;
  readonly isUrgent: boolean;
  isGone(): boolean;
}

interface PendingCall {
  readonly method: string;
  readonly caller: Caller;
  release(): void;
}

/**
 * Answers being made or sent. A peer may have read an answer while we still wait for room behind it: a few more than it
 * may have in flight are no fault of its.
 */
const MAX_ANSWERING = MAX_CALLS_IN_FLIGHT + 8;

const publicCode = /^[A-Z][A-Z0-9_]{2,63}$/;

export class RpcConnection<Out extends MethodTable> {
  readonly remoteAddress: Address;
  /** Resolves when the connection is over: undefined after goodbyes, else why. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  readonly #stream: FramedStream;
  readonly #outgoing: CompiledMethods;
  readonly #incoming: CompiledMethods;
  readonly #handler: RpcHandler;
  readonly #components: RpcComponents;
  readonly #options: RpcOptions;
  readonly #pending = new Map<number, PendingCall>();
  readonly #waiting: (() => void)[] = [];
  readonly #patient: PatientCalls;
  #nextId = 0;
  #answering = 0;
  #badMessages = 0;
  #isOver = false;

  constructor(
    stream: FramedStream,
    methods: { readonly outgoing: CompiledMethods; readonly incoming: CompiledMethods },
    handler: RpcHandler,
    components: RpcComponents,
    options: RpcOptions = defaultRpcOptions,
  ) {
    this.remoteAddress = stream.remoteAddress;
    this.#stream = stream;
    this.#outgoing = methods.outgoing;
    this.#incoming = methods.incoming;
    this.#handler = handler;
    this.#components = components;
    this.#options = options;
    const tails = [...methods.incoming.values()].flatMap(({ tail }) => tail ?? []);
    this.#patient = new PatientCalls(tails, components.patience?.taking);
    this.ended = this.#read();
  }

  /**
   * The peer's answer. Throws RemoteError with the peer's public code, or a WireError: WIRE_CALL_TIMEOUT (the peer may
   * still have done it), WIRE_STREAM_CLOSED, WIRE_CONNECTION_LOST, WIRE_CALLS_TOO_MANY, WIRE_MESSAGE_UNSENDABLE.
   */
  async call<M extends keyof Out & string>(
    method: M,
    body: RequestOf<Out, M>,
    options: CallOptions = {},
  ): Promise<ResponseOf<Out, M>> {
    options.signal?.throwIfAborted();
    const request = this.#outgoing
      .get(method)!
      .request.check(
        body,
        (reason) => new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason: `${method}: ${reason}` }),
      );
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(
      () => reject(new WireError({ code: "WIRE_CALL_TIMEOUT", method })),
      options.timeoutMs ?? this.#options.callTimeoutMs,
    );
    const leave = () => reject(options.signal?.reason);
    options.signal?.addEventListener("abort", leave, { once: true });
    let isGone = false;
    const { isUrgent = false } = options;
    this.#send(method, request, { resolve, reject, isUrgent, isGone: () => isGone }).catch(reject);
    try {
      return (await promise) as ResponseOf<Out, M>;
    } finally {
      isGone = true;
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", leave);
    }
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  abort(error: Error): void {
    this.#stream.abort(error);
  }

  /** Counts bad behaviour that only a handler can see. */
  countBad(): void {
    this.#badMessages += 1;
    if (this.#badMessages > this.#options.maxBadMessages) {
      this.#stream.abort(new WireError({ code: "WIRE_MESSAGE_INVALID", reason: "too many bad messages" }));
    }
    this.#components.scores.add(this.remoteAddress, 1);
  }

  async #send(method: string, body: unknown, caller: Caller): Promise<void> {
    while (this.#pending.size >= MAX_CALLS_IN_FLIGHT && !this.#isOver) await this.#waitForTurn();
    if (this.#isOver) throw new WireError({ code: "WIRE_STREAM_CLOSED" });
    if (caller.isGone()) {
      this.#waiting.shift()?.();
      return;
    }
    const id = this.#takeId();
    const stuck = setTimeout(
      () => this.#stream.abort(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "answer" })),
      this.#options.stuckMs,
    );
    // The place is held until the answer comes, also when the caller stopped waiting: the peer still counts it.
    const release = () => {
      clearTimeout(stuck);
      this.#pending.delete(id);
      this.#waiting.shift()?.();
    };
    this.#pending.set(id, { method, caller, release });
    try {
      const others = caller.isUrgent ? undefined : this.#waitForOthers(this.#outgoing.get(method));
      if (others !== undefined) await others;
      await this.#stream.send(encodeValue({ id, kind: "call", method, body }));
    } catch (error) {
      this.#settle(id, (pending) => pending.caller.reject(error));
    }
  }

  #settle(id: number, tell: (pending: PendingCall) => void): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.release();
    tell(pending);
  }

  #waitForTurn(): Promise<void> {
    if (this.#waiting.length >= this.#options.maxWaitingCalls) {
      throw new WireError({ code: "WIRE_CALLS_TOO_MANY", waiting: this.#waiting.length });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #takeId(): number {
    let id = this.#nextId;
    while (this.#pending.has(id)) id = (id + 1) >>> 0;
    this.#nextId = (id + 1) >>> 0;
    return id;
  }

  async #read(): Promise<Error | undefined> {
    try {
      for await (const bytes of this.#stream.messages) this.#patient.inTurn(bytes, () => this.#take(bytes));
    } catch {
      // `ended` of the stream says the same, and also what comes after the last message.
    }
    const error = await this.#stream.ended;
    this.#isOver = true;
    const reason = error ?? new WireError({ code: "WIRE_STREAM_CLOSED" });
    for (const id of [...this.#pending.keys()]) this.#settle(id, ({ caller }) => caller.reject(reason));
    for (const wake of this.#waiting.splice(0)) wake();
    return error;
  }

  #take(bytes: Uint8Array): void {
    // It waited for its turn meanwhile. Nobody would hear the answer, and whoever called asks again.
    if (this.#isOver) return;
    let message: ReturnType<typeof envelopeChecker.check>;
    try {
      const value = decodeValue(bytes, MAX_SESSION_MESSAGE_BYTES);
      message = envelopeChecker.check(value, (reason) => new WireError({ code: "WIRE_MESSAGE_INVALID", reason }));
    } catch (error) {
      // Without an id there is nobody to answer, and no way to tell what the peer meant.
      this.#stream.abort(error as Error);
      this.#components.scores.add(this.remoteAddress, 1);
      return;
    }
    const { id, kind } = message;
    if (kind === "call") this.#takeCall(id, message.method, message.body);
    else this.#takeAnswer(id, kind === "error" ? (message.code ?? "INTERNAL") : undefined, message.body);
  }

  #takeCall(id: number, name: string | undefined, body: unknown): void {
    if (this.#answering >= MAX_ANSWERING) {
      this.#stream.abort(new WireError({ code: "WIRE_CALLS_TOO_MANY", waiting: this.#answering }));
      this.#components.scores.add(this.remoteAddress, 1);
      return;
    }
    this.#answering += 1;
    void this.#answer(id, name, body).finally(() => {
      this.#answering -= 1;
    });
  }

  async #answer(id: number, name: string | undefined, body: unknown): Promise<void> {
    const answer = await this.#makeAnswer(name, body);
    const others = this.#waitForOthers(this.#incoming.get(name ?? ""));
    if (others !== undefined) await others;
    // A stream that ended meanwhile has told its own reason.
    await this.#stream.send(encodeValue({ id, ...answer })).catch(() => {});
  }

  /** What may be late is written along with its like. */
  #waitForOthers(method: CompiledMethod | undefined): Promise<void> | undefined {
    return method?.isGathered === true ? this.#components.patience?.sending.next() : undefined;
  }

  async #makeAnswer(
    name: string | undefined,
    body: unknown,
  ): Promise<{ kind: "answer"; body: unknown } | { kind: "error"; code: string }> {
    const method = name === undefined ? undefined : this.#incoming.get(name);
    // Not counted: a newer peer may ask for what this version does not know.
    if (name === undefined || method === undefined) return { kind: "error", code: "METHOD_UNKNOWN" };
    let request: unknown;
    try {
      request = method.request.check(body, (reason) => new WireError({ code: "WIRE_MESSAGE_INVALID", reason }));
    } catch (error) {
      this.#components.logger.warn("Refuse bad request", { peer: this.remoteAddress, method: name, error });
      this.countBad();
      return { kind: "error", code: "REQUEST_INVALID" };
    }
    try {
      const answer = await this.#handler(name, request);
      const fail = (reason: string) => new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason: `${name}: ${reason}` });
      return { kind: "answer", body: method.response.check(answer, fail) };
    } catch (error) {
      if (isCodedError(error) && publicCode.test(error.code) && !(error instanceof WireError)) {
        this.#components.logger.debug("Refuse call", { peer: this.remoteAddress, method: name, code: error.code });
        return { kind: "error", code: error.code };
      }
      this.#components.logger.error("Fail to answer call", { peer: this.remoteAddress, method: name, error });
      return { kind: "error", code: "INTERNAL" };
    }
  }

  #takeAnswer(id: number, code: string | undefined, body: unknown): void {
    if (!this.#pending.has(id)) this.countBad();
    this.#settle(id, ({ method, caller }) => {
      if (code !== undefined) {
        caller.reject(new RemoteError({ code, method }));
        return;
      }
      try {
        const fail = (reason: string) => new WireError({ code: "WIRE_ANSWER_INVALID", method, reason });
        caller.resolve(this.#outgoing.get(method)!.response.check(body, fail));
      } catch (error) {
        this.countBad();
        caller.reject(error);
      }
    });
  }
}
