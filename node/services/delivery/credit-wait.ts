import type { Clock } from "@leat/node/kernel/clock.ts";
import type { MayWork } from "../payment/index.ts";
import { DeliveryError } from "./errors.ts";

/** Work stops at the credit limit; a voucher that is on its way may still come. */
export class CreditWait {
  readonly #components: { readonly mayWork: () => MayWork; readonly clock: Clock };
  readonly #maxMs: number;
  #lostAtMs: number | undefined;

  constructor(components: { readonly mayWork: () => MayWork; readonly clock: Clock }, maxMs: number) {
    this.#components = components;
    this.#maxMs = maxMs;
  }

  /** @throws CREDIT_EXHAUSTED, CREDIT_SIGNER_SPENT or CREDIT_RESERVE_SPENT */
  require(): void {
    const { mayWork, clock } = this.#components;
    const verdict = mayWork();
    if (verdict === "ok") {
      this.#lostAtMs = undefined;
      return;
    }
    this.#lostAtMs ??= clock.nowMs();
    if (clock.nowMs() - this.#lostAtMs >= this.#maxMs) throw new DeliveryError({ code: verdict });
  }
}
