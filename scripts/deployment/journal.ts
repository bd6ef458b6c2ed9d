import { type FileHandle, open, readFile, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../../node/kernel/atomic-file.ts";
import { fileReason } from "../../sdk/base/file-reasons.ts";
import { type Hex, isHex } from "../../sdk/protocol/hex.ts";
import { DeployError } from "./errors.ts";

/** One signed transaction. Kept before it is sent: whoever comes back sends the same bytes, never others in their place. */
export interface Attempt {
  readonly step: number;
  readonly hash: Hex;
  readonly raw: Hex;
  readonly feeWei: bigint;
}

/** What began the deployment; a second run takes it from here, not from the chain as it is by then. */
export interface Beginning {
  readonly planHash: Hex;
  readonly firstNonce: number;
  readonly deployedAtBlock: bigint;
}

export interface Journal {
  readonly beginning: Beginning | undefined;
  begin(beginning: Beginning): Promise<void>;
  attempts(step: number): readonly Attempt[];
  add(attempt: Attempt): Promise<void>;
}

/** For chains that end with the process. */
export class MemoryJournal implements Journal {
  beginning: Beginning | undefined;
  readonly #attempts: Attempt[] = [];

  async begin(beginning: Beginning): Promise<void> {
    this.beginning = beginning;
  }

  attempts(step: number): readonly Attempt[] {
    return this.#attempts.filter((attempt) => attempt.step === step);
  }

  async add(attempt: Attempt): Promise<void> {
    this.#attempts.push(attempt);
  }
}

/** One JSON object a line, each on disk before its promise resolves. The file appears with the first of them. */
export class FileJournal implements Journal {
  readonly #path: string;
  readonly #memory = new MemoryJournal();
  #file: FileHandle | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws DEPLOY_FILE_UNWRITABLE, DEPLOY_JOURNAL_INVALID */
  static async open(path: string): Promise<FileJournal> {
    const journal = new FileJournal(path);
    const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return "";
      throw unwritable(path, cause);
    });
    // A line that was cut short was never acted upon: what it says was to be sent only after it was whole.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    for (const line of whole.split("\n").slice(0, -1)) await journal.#read(line);
    if (whole.length < text.length) {
      await truncate(path, Buffer.byteLength(whole)).catch((cause) => {
        throw unwritable(path, cause);
      });
    }
    return journal;
  }

  get beginning(): Beginning | undefined {
    return this.#memory.beginning;
  }

  async begin(beginning: Beginning): Promise<void> {
    await this.#append(beginning);
    await this.#memory.begin(beginning);
  }

  attempts(step: number): readonly Attempt[] {
    return this.#memory.attempts(step);
  }

  async add(attempt: Attempt): Promise<void> {
    await this.#append(attempt);
    await this.#memory.add(attempt);
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #append(entry: object): Promise<void> {
    const text = JSON.stringify(entry, (_, value) => (typeof value === "bigint" ? value.toString() : value));
    try {
      if (this.#file === undefined) {
        this.#file = await open(this.#path, "a", 0o600);
        await syncDirectory(dirname(this.#path));
      }
      await this.#file.appendFile(`${text}\n`);
      await this.#file.datasync();
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
  }

  async #read(line: string): Promise<void> {
    let entry: Record<string, unknown>;
    try {
      entry = JSON.parse(line) as Record<string, unknown>;
    } catch {
      throw this.#invalid("a line is no JSON");
    }
    const { planHash, firstNonce, deployedAtBlock, step, hash, raw, feeWei } = entry;
    if (isHex(planHash, 32) && isCount(firstNonce) && isAmount(deployedAtBlock)) {
      await this.#memory.begin({ planHash, firstNonce, deployedAtBlock: BigInt(deployedAtBlock) });
      return;
    }
    if (this.beginning === undefined) throw this.#invalid("it does not begin with a plan");
    if (!isCount(step) || !isHex(hash, 32) || !isHex(raw) || !isAmount(feeWei)) {
      throw this.#invalid("a line is neither a plan nor a transaction");
    }
    await this.#memory.add({ step, hash, raw, feeWei: BigInt(feeWei) });
  }

  #invalid(reason: string): DeployError {
    return new DeployError({ code: "DEPLOY_JOURNAL_INVALID", path: this.#path, reason });
  }
}

function unwritable(path: string, cause: unknown): DeployError {
  return new DeployError({ code: "DEPLOY_FILE_UNWRITABLE", path, reason: fileReason(cause) }, { cause });
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isAmount(value: unknown): value is string {
  return typeof value === "string" && /^[0-9]{1,40}$/.test(value);
}
