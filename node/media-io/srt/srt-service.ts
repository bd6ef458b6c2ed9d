import { Worker } from "node:worker_threads";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Counter, type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { PullError } from "../pull/errors.ts";
import { SrtError } from "./errors.ts";
import type { FromSrtThread, SrtDial, SrtThreadData, ToSrtThread } from "./messages.ts";
import type { SrtOptions } from "./options.ts";
import type { SrtPlayout } from "./playout.ts";
import { SrtCall, type SrtCallee } from "./srt-call.ts";
import { type SrtPush, type SrtPushEvents, SrtPushes } from "./srt-pushes.ts";
import { type AuthorizeSrt, SrtSession } from "./srt-session.ts";
import { SrtViewers } from "./srt-viewers.ts";

export interface SrtComponents {
  /** Absent: nobody publishes here. */
  readonly authorize?: AuthorizeSrt;
  /** Absent: nobody watches here. */
  readonly playout?: SrtPlayout;
  /** What passphrases are made from; the balancer is told it. */
  readonly secret: Hex;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
  /** Names of the library, the best first. */
  readonly libraries?: readonly string[];
  readonly openThread?: (workerData: SrtThreadData) => Worker;
}

/** As Debian and its relatives name it, by the cryptography that it was built with. */
export const srtLibraries = ["libsrt-gnutls.so.1.5", "libsrt-openssl.so.1.5", "libsrt.so.1.5", "libsrt.so.1"];

/** A thread that is lost comes back after so long, the second time in a row after twice as long, and so on. */
const RESTART_MS = 1_000;
const MAX_RESTART_MS = 60_000;
/** One that stood for so long is lost for the first time. */
const STEADY_MS = 600_000;

export function openSrtThread(workerData: SrtThreadData): Worker {
  return new Worker(new URL("./thread.ts", import.meta.url), { workerData });
}

/** Takes publishers by SRT and plays to viewers, at one port. Where libsrt is not installed the node says so once and goes on without. */
export class SrtService implements Startable {
  readonly #components: SrtComponents;
  readonly #options: SrtOptions;
  readonly #sessions = new Map<number, SrtSession>();
  readonly #calls = new Map<number, SrtCall>();
  #lastCall = 0;
  readonly #running = new Set<Promise<void>>();
  readonly #viewers: SrtViewers | undefined;
  readonly #pushes = new SrtPushes((message) => this.#say(message));
  readonly #clock: Clock;
  readonly #tasks: TaskGroup;
  readonly #accepted: Counter;
  readonly #refused: Counter;
  #worker: Worker | undefined;
  #exited: Promise<void> | undefined;
  #port: number;
  #lastOpened = 0;
  #listensSinceMs = 0;
  #restartMs = RESTART_MS;
  #stopping = false;
  #fault: SrtError | undefined = new SrtError({ code: "SRT_STOPPED" });

  constructor(components: SrtComponents, options: SrtOptions) {
    this.#components = components;
    this.#options = options;
    this.#port = options.port;
    const { clock = systemClock, logger, metrics = silentMetrics, playout } = components;
    this.#clock = clock;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Open SRT thread failed", { error }) });
    this.#accepted = metrics.counter({ name: "leat_srt_connections_total", help: "SRT connections accepted" });
    this.#refused = metrics.counter({ name: "leat_srt_refused_total", help: "SRT handshakes refused" });
    metrics.gauge({ name: "leat_srt_publishers", help: "SRT connections now", collect: () => this.#sessions.size });
    this.#viewers =
      playout &&
      new SrtViewers({
        playout,
        recheckMs: options.recheckMs,
        clock,
        logger,
        metrics,
        send: (id, bytes) => this.#say({ type: "send", id, bytes }),
        finish: (id) => this.#say({ type: "finish", id }),
        close: (id, code) => this.#say({ type: "close", id, code }),
      });
  }

  /**
   * Calls somebody, and gives what it sends until that ends or the signal does.
   * @param callee Its address was looked at by whoever may say where calls go.
   * @throws PullError
   */
  call(callee: SrtCallee, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    if (this.#fault !== undefined) throw new PullError({ code: "PULL_UNREACHABLE", reason: this.#fault.code });
    this.#lastCall -= 1;
    const id = this.#lastCall;
    const call = new SrtCall({
      onTaken: (bytes) => this.#say({ type: "taken", id, bytes }),
      onLeft: () => {
        if (this.#calls.delete(id)) this.#say({ type: "close", id, code: undefined });
      },
    });
    this.#calls.set(id, call);
    this.#say({ type: "call", id, ...callee });
    return call.read(signal);
  }

  /** Why nobody can publish by SRT now. */
  get fault(): SrtError | undefined {
    return this.#fault;
  }

  /** Connects to a server. @throws why SRT is not spoken here */
  dial(to: Omit<SrtDial, "type" | "id">, events: SrtPushEvents): SrtPush {
    if (this.#fault !== undefined) throw this.#fault;
    return this.#pushes.dial(to, events);
  }

  /** Known once started. */
  get port(): number {
    return this.#port;
  }

  /** Known once started. */
  get url(): string {
    const { host } = this.#options;
    return `srt://${host.includes(":") ? `[${host}]` : host}:${this.#port}`;
  }

  /** @throws SRT_PORT_BUSY, SRT_ADDRESS_UNUSABLE */
  async start(): Promise<void> {
    const { enabled, host, port } = this.#options;
    const { libraries = srtLibraries, logger } = this.#components;
    if (!enabled) return;
    const started = await this.#listen();
    if (started?.type === "listening") {
      this.#viewers?.start();
      return;
    }
    if (started === undefined) throw new SrtError({ code: "SRT_THREAD_LOST" });
    if (started.why === "busy") throw new SrtError({ code: "SRT_PORT_BUSY", host, port });
    if (started.why === "address") {
      throw new SrtError({ code: "SRT_ADDRESS_UNUSABLE", host, port, reason: started.reason });
    }
    this.#fault = new SrtError({ code: "SRT_LIBRARY_MISSING", tried: libraries.join(", ") });
    const install = "libsrt1.5-gnutls or libsrt1.5-openssl";
    logger.warn("Go on without SRT", { code: this.#fault.code, install, reason: started.reason });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#fault = new SrtError({ code: "SRT_STOPPED" });
    await this.#tasks.close();
    await this.#viewers?.stop();
    this.#say({ type: "stop" });
    await this.#exited;
    this.#worker = undefined;
    this.#endAll(new SrtError({ code: "SRT_STOPPED" }));
    await Promise.all(this.#running);
  }

  /** Opens a thread that listens; undefined where it was lost before. */
  async #listen(): Promise<Extract<FromSrtThread, { type: "listening" | "failed" }> | undefined> {
    const { host, latencyMs, idleMs, maxConnections, maxViewers, encryptedOnly } = this.#options;
    const {
      authorize,
      playout,
      secret,
      libraries = srtLibraries,
      logger,
      openThread = openSrtThread,
    } = this.#components;
    const bounds = { latencyMs, idleMs, maxConnections, maxViewers, encryptedOnly };
    const does = { takes: authorize !== undefined, plays: playout !== undefined };
    const place = { host, port: this.#port, firstId: this.#lastOpened + 1 };
    const worker = openThread({ ...place, ...bounds, ...does, secret, libraries });
    this.#worker = worker;
    worker.on("error", (error) => logger.error("Hold SRT library failed", { error }));
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    const started = await this.#hear(worker);
    if (started?.type !== "listening") {
      await this.#exited;
      this.#worker = undefined;
    } else if (!this.#stopping) {
      this.#port = started.port;
      this.#fault = undefined;
      this.#listensSinceMs = this.#clock.nowMs();
      logger.info("Listen for SRT", { host, port: this.#port, libsrt: started.version });
    }
    return started;
  }

  /** At the same port, which publishers and viewers know. */
  async #listenAgain(signal: AbortSignal): Promise<void> {
    const { logger } = this.#components;
    while (!signal.aborted && this.#fault?.code === "SRT_THREAD_LOST") {
      const pauseMs = this.#restartMs;
      this.#restartMs = Math.min(2 * pauseMs, MAX_RESTART_MS);
      logger.warn("Open SRT thread again", { pauseMs });
      await this.#clock.sleep(pauseMs, signal);
      try {
        const started = await this.#listen();
        if (started?.type === "failed") logger.warn("Open SRT thread failed", { reason: started.reason });
      } catch (error) {
        // The system may have no memory or no file for one now, and have it later.
        logger.warn("Open SRT thread failed", { error });
      }
    }
  }

  /** The first that it says; undefined where it ends before. */
  #hear(worker: Worker): Promise<Extract<FromSrtThread, { type: "listening" | "failed" }> | undefined> {
    return new Promise((resolve) => {
      worker.on("message", (message: FromSrtThread) => {
        if (message.type === "listening" || message.type === "failed") resolve(message);
        else this.#handle(message);
      });
      worker.once("exit", () => {
        resolve(undefined);
        if (this.#stopping || this.#fault !== undefined) return;
        this.#fault = new SrtError({ code: "SRT_THREAD_LOST" });
        this.#worker = undefined;
        this.#endAll(this.#fault);
        if (this.#clock.nowMs() - this.#listensSinceMs >= STEADY_MS) this.#restartMs = RESTART_MS;
        this.#tasks.run((signal) => this.#listenAgain(signal));
      });
    });
  }

  #handle(message: Exclude<FromSrtThread, { type: "listening" | "failed" }>): void {
    if (message.type === "refused") {
      this.#refused.add();
      this.#components.logger.debug("Refuse SRT handshake", { code: message.code });
    } else if (message.type === "crashed") {
      this.#components.logger.error("Hold SRT library failed", { reason: message.reason });
    } else if (message.type === "opened") this.#open(message);
    else if (message.type === "dialed" || message.type === "dialSent" || message.type === "dialClosed") {
      this.#pushes.handle(message);
    } else if (message.type === "sent") this.#viewers?.taken(message.id, message.bytes);
    else if (message.type === "data") {
      (this.#sessions.get(message.id) ?? this.#calls.get(message.id))?.push(message.bytes);
    } else if (message.type === "unanswered") {
      const { id, reason } = message;
      this.#loseCall(id, new PullError({ code: "PULL_SRT_UNANSWERED", reason }));
    } else {
      const { idleMs: timeoutMs } = this.#options;
      this.#viewers?.lose(message.id);
      const idle = { code: "PULL_IDLE", timeoutMs } as const;
      this.#loseCall(message.id, new PullError(message.idle ? idle : { code: "PULL_SOURCE_LOST" }));
      this.#sessions.get(message.id)?.lose(message.idle ? new SrtError({ code: "SRT_IDLE", timeoutMs }) : undefined);
    }
  }

  #open({ id, address, target }: Extract<FromSrtThread, { type: "opened" }>): void {
    const { authorize, logger } = this.#components;
    this.#accepted.add();
    this.#lastOpened = id;
    if (target.type === "play") {
      this.#viewers?.open(id, address, target);
      return;
    }
    if (authorize === undefined) return;
    const session = new SrtSession({
      address,
      target,
      authorize,
      logger,
      onTaken: (bytes) => this.#say({ type: "taken", id, bytes }),
    });
    this.#sessions.set(id, session);
    const running = session.run().then((code) => {
      this.#sessions.delete(id);
      this.#running.delete(running);
      this.#say({ type: "close", id, code });
    });
    this.#running.add(running);
  }

  /** Its connection is gone already: nothing is left to close. */
  #loseCall(id: number, error: PullError): void {
    this.#calls.get(id)?.lose(error);
    this.#calls.delete(id);
  }

  #endAll(error: SrtError): void {
    for (const id of this.#calls.keys()) this.#loseCall(id, new PullError({ code: "PULL_SOURCE_LOST" }));
    for (const session of this.#sessions.values()) session.lose(error);
    this.#viewers?.loseAll();
    this.#pushes.loseAll();
  }

  #say(message: ToSrtThread): void {
    if (!("bytes" in message) || typeof message.bytes === "number") {
      this.#worker?.postMessage(message);
      return;
    }
    // Small pieces lie in a larger buffer, which would be copied along as a whole.
    const bytes = new Uint8Array(message.bytes);
    this.#worker?.postMessage({ ...message, bytes }, [bytes.buffer]);
  }
}
