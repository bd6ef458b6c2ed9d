import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { addPayerRoutes } from "../http/rest/payers.ts";
import { addPaymentRoutes } from "../http/rest/payments.ts";
import type { ChannelStatus } from "../services/payment/index.ts";
import { PaymentWatch } from "../services/payment/payment-watch.ts";
import type { Foundation } from "./foundation.ts";

export interface StatusSide {
  readonly side: "payee" | "payer";
  readonly status: () => Promise<readonly ChannelStatus[]>;
}

/** Watches the money of these sides and shows it at `GET /v1/payments`. */
export function addPaymentStatus(foundation: Foundation, sides: readonly StatusSide[]): PaymentWatch {
  const { clock, config, deployment, http, logger, metrics, parts, registry } = foundation;
  const tokens = Object.fromEntries(Object.entries(deployment.tokens).map(([name, token]) => [name, toAddress(token)]));
  const watch = new PaymentWatch(
    { sides, pool: (account, token) => registry.reader.pool(account, token), tokens, clock, logger, metrics },
    config.runway,
  );
  parts.push({ name: "payment watch", part: watch });
  addPayerRoutes(
    http,
    (payer) => registry.bouncesOf(payer),
    () => clock.nowMs(),
  );
  addPaymentRoutes(http, () => watch.report());
  return watch;
}
