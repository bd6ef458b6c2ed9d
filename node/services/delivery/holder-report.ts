import { NewestOnly } from "@leat/node/kernel/newest-only.ts";
import type { NodeRequest } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { MAX_PARENTS } from "@leat/sdk/protocol/limits.ts";

type Report = NodeRequest<"edge.holder">;

const MAX_FAILED = 2 * MAX_PARENTS;

/** Tells the balancer from whom an edge has its stream, and who failed before. What it does not hear it hears next time. */
export class HolderReport {
  readonly #key: Pick<Report, "job" | "attempt">;
  readonly #send: (report: Report) => Promise<unknown>;
  readonly #logger: Logger;
  readonly #failed = new Map<Address, string>();
  /** The newest that was told, or is about to be. */
  #newest: Address | undefined;
  readonly #accepted = new NewestOnly<Address>((holder) => this.#tell(holder));

  constructor(key: Pick<Report, "job" | "attempt">, send: (report: Report) => Promise<unknown>, logger: Logger) {
    this.#key = { job: key.job, attempt: key.attempt };
    this.#send = send;
    this.#logger = logger;
  }

  /** A named parent did not serve, and why. */
  failed(node: Address, code: string): void {
    this.#failed.set(node, code);
    if (this.#failed.size > MAX_FAILED) this.#failed.delete(this.#failed.keys().next().value!);
  }

  /** This one serves now. */
  accepted(holder: Address): void {
    if (this.#newest === holder && this.#failed.size === 0) return;
    this.#newest = holder;
    this.#accepted.offer(holder);
  }

  async #tell(holder: Address): Promise<void> {
    const failed = [...this.#failed].map(([node, code]) => ({ node, code }));
    try {
      await this.#send({ ...this.#key, holder, failed });
      for (const { node, code } of failed) if (this.#failed.get(node) === code) this.#failed.delete(node);
    } catch (error) {
      if (!isCodedError(error)) throw error;
      if (this.#newest === holder) this.#newest = undefined;
      this.#logger.debug("Report holder failed", { code: error.code });
    }
  }
}
