import type { Logger } from "@leat/sdk/base/logger.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { AssignedJob } from "../jobs/job-desk.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import type { ServedSegment } from "./edge-stream.ts";
import type { GrantedBytes } from "./granted-bytes.ts";

/** One receipt for each segment of which anything was served; what was granted caps what of it is booked as earned. */
export class ServedReceipts {
  readonly #job: AssignedJob<DeliverySpec>;
  readonly #granted: GrantedBytes;
  readonly #components: { readonly receipts: ReceiptBook; readonly logger: Logger };
  #issued: Promise<void> = Promise.resolve();

  constructor(
    job: AssignedJob<DeliverySpec>,
    granted: GrantedBytes,
    components: { readonly receipts: ReceiptBook; readonly logger: Logger },
  ) {
    this.#job = job;
    this.#granted = granted;
    this.#components = components;
  }

  /** Resolves when all of them are written. */
  get issued(): Promise<void> {
    return this.#issued;
  }

  settle(segments: readonly ServedSegment[]): void {
    const { receipts, logger } = this.#components;
    for (const { sequence, firstFrame, durationMs, leaves } of segments) {
      const served = leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n);
      const units = this.#granted.take(served);
      const work = { sequence, inputHash: zeroHash, leaves, firstFrame, frames: 0, durationMs, units };
      this.#issued = this.#issued.then(async () => {
        try {
          await receipts.issue(this.#job, work);
        } catch (error) {
          logger.error("Issue delivery receipt failed", { sequence, error });
        }
      });
    }
  }
}
