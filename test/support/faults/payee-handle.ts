import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { inspect } from "node:util";
import type { VoucherOffer } from "../../../sdk/protocol/job.ts";
import type { Voucher } from "../../../sdk/protocol/signed.ts";
import type { Signed } from "../../../sdk/protocol/statements.ts";
import type { KillPoint, PayeeMessage, PayeeOrder, PayeeReply, PayeeStart } from "./payee-protocol.ts";

/** A payee's process that may be gone at any moment: every answer may be `undefined`, which says that it is. */
export class PayeeHandle {
  readonly #child: ChildProcess;
  /** Who waits for which answer. */
  readonly #waiting = new Map<number, (reply: PayeeReply | undefined) => void>();
  readonly #loaded: Promise<PayeeReply | undefined>;
  #lastId = 0;
  #isGone = false;
  #signal: NodeJS.Signals | null = null;
  /** Resolves when it is gone and all that it said was heard. */
  readonly exited: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ id, reply }: PayeeMessage) => this.#waiting.get(id)?.(reply));
    child.on("error", () => {});
    this.#loaded = this.#reply(0);
    this.exited = Promise.all([once(child, "exit"), once(child, "disconnect")]).then(([[, signal]]) => {
      this.#isGone = true;
      this.#signal = signal;
      for (const hear of this.#waiting.values()) hear(undefined);
    });
  }

  /** Loads the program and does nothing yet: the next one loads while the last one dies. */
  static spawn(program: string, cacheDir: string): PayeeHandle {
    const child = fork(program, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, NODE_COMPILE_CACHE: cacheDir },
    });
    return new PayeeHandle(child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** What ended it; null as long as it runs, and when it ended by itself. */
  get signal(): NodeJS.Signals | null {
    return this.#signal;
  }

  /** Resolves when the program is loaded, or gone. */
  get loaded(): Promise<unknown> {
    return this.#loaded;
  }

  /** Answers what it held on disk, or undefined when it died before it was ready. */
  async start(
    start: PayeeStart,
    die?: { point: KillPoint; count: number },
  ): Promise<readonly Signed<Voucher>[] | undefined> {
    if ((await this.#loaded) === undefined) return undefined;
    const reply = await this.#ask({ do: "start", start, die });
    if (reply === undefined) return undefined;
    if (reply.of !== "ready") throw new Error(`the payee did not start: ${inspect(reply)}`);
    return reply.held;
  }

  async offer(offer: VoucherOffer): Promise<PayeeReply | undefined> {
    return await this.#ask({ do: "offer", offer });
  }

  async held(): Promise<readonly Signed<Voucher>[] | undefined> {
    const reply = await this.#ask({ do: "held" });
    return reply?.of === "held" ? reply.held : undefined;
  }

  async collect(): Promise<PayeeReply | undefined> {
    return await this.#ask({ do: "collect" });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    if (!this.#isGone && this.#child.connected) void this.#ask({ do: "stop" });
    await this.exited;
  }

  async #ask(order: PayeeOrder): Promise<PayeeReply | undefined> {
    if (this.#isGone || !this.#child.connected) return undefined;
    this.#lastId += 1;
    const answer = this.#reply(this.#lastId);
    this.#child.send({ id: this.#lastId, order }, () => {});
    return await answer;
  }

  #reply(id: number): Promise<PayeeReply | undefined> {
    return new Promise((resolve) => {
      this.#waiting.set(id, (reply) => {
        this.#waiting.delete(id);
        resolve(reply);
      });
    });
  }
}
