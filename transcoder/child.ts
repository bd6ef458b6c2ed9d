import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { TranscodeError } from "./errors.ts";
import { giveWay } from "./give-way.ts";
import { encodeMessage, MessageReader } from "./ipc.ts";

export interface ChildOptions {
  readonly entry: URL;
  /** libuv threads: blocking FFmpeg calls hold one each. */
  readonly threads: number;
  /** To what serves viewers, where processors are short. */
  readonly givesWay?: boolean;
  onMessage(message: unknown): void;
  onExit(error: TranscodeError | undefined): void;
}

const LAST_WORDS_CHARS = 400;

/**
 * A forked process that speaks framed messages over its standard streams. It ends by itself when this process dies,
 * since its input then ends. A message that cannot be read kills it.
 */
export class Child {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly exited: Promise<void>;
  #lastWords = "";
  #isDone = false;
  #isGone = false;
  #fault: TranscodeError | undefined;

  constructor(options: ChildOptions) {
    this.#process = spawn(process.execPath, [fileURLToPath(options.entry)], {
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: a terminal's Ctrl-C is for us to answer, and programs that it runs end with it.
      detached: true,
      env: { ...process.env, UV_THREADPOOL_SIZE: String(options.threads), NODE_OPTIONS: "" },
    });
    if (options.givesWay === true && this.#process.pid !== undefined) giveWay(this.#process.pid);
    const { stdin, stdout, stderr } = this.#process as { stdin: Writable; stdout: Readable; stderr: Readable };
    this.#input = stdin;
    // A write to a dead child fails here; its exit tells the story.
    this.#input.on("error", () => {});
    stderr.setEncoding("utf8");
    stderr.on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_CHARS);
    });
    const reader = new MessageReader();
    stdout.on("data", (chunk: Buffer) => {
      if (this.#fault) return;
      try {
        for (const message of reader.push(chunk)) options.onMessage(message);
      } catch (error) {
        if (!(error instanceof TranscodeError)) throw error;
        this.fail(error);
      }
    });
    this.exited = new Promise((resolve) => {
      const finish = (exitCode: number | null, signal: string | null, words: string) => {
        const lost = { code: "TRANSCODE_WORKER_LOST", exitCode, signal, lastWords: words.trim() } as const;
        const isClean = exitCode === 0 && this.#isDone;
        options.onExit(isClean ? undefined : (this.#fault ?? new TranscodeError(lost)));
        resolve();
      };
      this.#process.once("exit", () => {
        this.kill();
        this.#isGone = true;
      });
      // "close" comes after the last output was read.
      this.#process.once("close", (exitCode, signal) => finish(exitCode, signal, this.#lastWords));
      this.#process.once("error", (error) => {
        if (this.#process.pid === undefined) finish(null, null, error.message);
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Bytes that wait for the child to read them. */
  get queuedBytes(): number {
    return this.#input.writableLength;
  }

  send(message: unknown): void {
    if (this.#input.writable) this.#input.write(encodeMessage(message));
  }

  /** The child said its last word: it may exit with 0 now. */
  done(): void {
    this.#isDone = true;
    this.#input.end();
  }

  /** Ends the child for this reason. */
  fail(error: TranscodeError): void {
    this.#fault ??= error;
    this.kill();
  }

  kill(): void {
    const { pid } = this.#process;
    // Once it is gone its number may be another's.
    if (pid === undefined || this.#isGone) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      // Nobody of the group is left.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
