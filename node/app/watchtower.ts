import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { findSignerEnd } from "../chain/signer-end.ts";
import { nativeStatements } from "../kernel/secp.ts";
import { VoucherSigners } from "../services/payment/voucher-signers.ts";
import { WatchtowerService } from "../services/watchtower/watchtower-service.ts";
import { LevelWatchStore } from "../store/watched-vouchers.ts";
import { handleWatch } from "../wire/watch/watch.ts";
import { type Foundation, settlementParts } from "./foundation.ts";

/** Adds a watchtower. `issued`: what a balancer in the same process issued to its members. */
export async function addWatchtower(
  foundation: Foundation,
  issued?: () => Promise<readonly Signed<Voucher>[]>,
): Promise<void> {
  const { clock, config, database, domain, host, logger, metrics, parts, registry } = foundation;
  const cluster = BigInt(config.sales.cluster);
  const signers = new VoucherSigners({ statements: nativeStatements, domain, chain: registry, clock });
  const tower = new WatchtowerService(
    {
      store: new LevelWatchStore(database),
      signers,
      signerEnd: (channel, findSigner) => findSignerEnd(registry, channel, findSigner),
      serves: (payee) => {
        if (config.watchtower.serve === "anybody") return true;
        const state = registry.cluster(cluster);
        const operator = registry.operatorOf(payee);
        return state?.account === payee || (operator !== undefined && state?.members.has(operator) === true);
      },
      ...(await settlementParts(foundation)),
      ...(issued === undefined ? {} : { issued }),
      clock,
      logger,
      metrics,
    },
    config.watchtower,
  );
  handleWatch(host, (from, request) => tower.keep(from, request), { logger, scores: host.scores });
  parts.push({ name: "watchtower", part: tower });
}
