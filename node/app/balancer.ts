import { join } from "node:path";
import { clusterAccountOf } from "@leat/sdk/protocol/cluster-account.ts";
import { type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { SealedIdempotencyStore } from "../http/plugins/sealed-idempotency.ts";
import { registerApi } from "../http/rest/api.ts";
import { registerFrontDoor } from "../http/rest/ingest.ts";
import { nativeStatements } from "../kernel/secp.ts";
import { RefusalReporter } from "../media-io/access/refusals.ts";
import { BalancerService } from "../services/balancer/balancer-service.ts";
import { AllottedDelegates } from "../services/payment/delegates.ts";
import { PayeeService } from "../services/payment/payee-service.ts";
import { PayerService } from "../services/payment/payer-service.ts";
import { SessionHubService } from "../services/session/hub.ts";
import { SettlementService } from "../services/settlement/settlement-service.ts";
import { VoucherLeaver } from "../services/watchtower/voucher-leaver.ts";
import { lowNews } from "../services/webhooks/low-news.ts";
import { WebhookService } from "../services/webhooks/webhook-service.ts";
import { AudienceStore } from "../store/sql/audience-store.ts";
import { SqlDatabase } from "../store/sql/database.ts";
import { SqlIdempotencyStore } from "../store/sql/idempotency.ts";
import { JobStore } from "../store/sql/job-store.ts";
import { SqlKeeper } from "../store/sql/keeper.ts";
import { SelectionStore } from "../store/sql/selection-store.ts";
import { StreamStore } from "../store/sql/stream-store.ts";
import { SqlVoucherStore } from "../store/sql/voucher-store.ts";
import { WebhookStore } from "../store/sql/webhook-store.ts";
import { addPages } from "../web/routes.ts";
import { addEvidence } from "./evidence.ts";
import { type Foundation, settlementParts } from "./foundation.ts";
import { addPaymentStatus } from "./payment-status.ts";

/**
 * Adds a cluster's balancer: the hub of its nodes' sessions, its books, its API and the watch page.
 * @returns What it issued to its members and they acknowledged: for a watchtower in the same process.
 */
export async function addBalancer(foundation: Foundation): Promise<() => Promise<readonly Signed<Voucher>[]>> {
  const { clock, config, deployment, domain, host, http, key, logger, metrics, parts, registry } = foundation;
  const statements = nativeStatements;
  const signer = key.signer;
  const shared = { clock, logger, metrics };
  const cluster = BigInt(config.sales.cluster);
  const clusterAccount = clusterAccountOf(cluster);
  const sql = await SqlDatabase.open(join(config.node.dataDir, "sql"));
  const vouchers = new SqlVoucherStore(sql);
  const tokens = Object.values(deployment.tokens).map(toAddress);
  const tokenNames = new Map(Object.entries(deployment.tokens).map(([name, token]) => [toAddress(token), name]));
  const delegates = new AllottedDelegates({ chain: registry, clock, payee: clusterAccount, tokens });
  const hub = new SessionHubService(
    {
      host,
      statements,
      domain,
      cluster,
      admit: (hello) => balancer.admit(hello),
      delegates,
      welcome: () => balancer.welcome(),
      markTable: (node) => balancer.markTable(node),
      ...shared,
    },
    config.hub,
  );
  const payer = new PayerService(
    {
      vouchers,
      statements,
      signer,
      domain,
      chain: registry,
      deliver: (payee, offer) => hub.call(payee, "voucher.offer", offer),
      ...shared,
    },
    config.payer,
  );
  const payee = new PayeeService(
    {
      vouchers,
      statements,
      domain,
      chain: registry,
      payee: clusterAccount,
      bouncesOf: (payer) => registry.bouncesOf(payer),
      tokens,
      askPayer: (buyer, request) => hub.call(buyer, "voucher.request", request),
      ...shared,
    },
    config.payee,
  );
  const settlement = new SettlementService(
    { vouchers, payee, membersOf: clusterAccount, ...(await settlementParts(foundation)), ...shared },
    config.settlement,
  );
  const webhooks = new WebhookService({ store: new WebhookStore(sql), ...shared }, config.webhooks);
  const balancer = new BalancerService(
    {
      hub,
      chain: registry,
      payer,
      payee,
      audienceStore: new AudienceStore(sql),
      streamStore: new StreamStore(sql),
      jobStore: new JobStore(sql),
      selectionStore: new SelectionStore(sql),
      evidence: addEvidence(foundation),
      access: foundation.access,
      judgeOwner: foundation.judgeOwner,
      news: webhooks,
      statements,
      signer,
      domain,
      judgeBuyer: (buyer) => payee.judgePayer(buyer),
      cluster,
      clusterAccount,
      tokens,
      tokenNames,
      ...shared,
    },
    config.balancer,
  );
  const limits = { requestsPerMinute: config.http.requestsPerMinute };
  const { wrongKeysPerMinute } = config.ingest;
  await registerFrontDoor(http, { balancer, clock }, { ...limits, wrongKeysPerMinute });
  const idempotency = new SealedIdempotencyStore(new SqlIdempotencyStore(sql, clock), key.secret);
  const auth = { domain, cluster, statements, delegates, clock };
  await registerApi(http, { balancer, idempotency, webhooks, ...auth }, limits);
  await addPages(http);
  const watch = addPaymentStatus(foundation, [
    { side: "payee", status: () => payee.status() },
    { side: "payer", status: () => payer.status() },
  ]);
  watch.onLow((channel) => {
    if (channel.side === "payee") webhooks.note(lowNews(channel, clock.nowMs()));
  });
  const reporter = new RefusalReporter({
    book: foundation.refusals,
    send: ({ stream, refusals }) => balancer.viewersRefused(key.address, { stream: stream as Hex, refusals }),
    clock,
    logger,
  });
  parts.push(
    { name: "sql", part: new SqlKeeper(sql, shared) },
    { name: "payee", part: payee },
    { name: "payer", part: payer },
    { name: "settlement", part: settlement },
    { name: "towers", part: new VoucherLeaver({ host, vouchers, ...shared }, config.watchtower) },
    { name: "webhooks", part: webhooks },
    { name: "balancer", part: balancer },
    { name: "refusals", part: reporter },
    { name: "hub", part: hub },
  );
  return async () => {
    const records = await vouchers.all("issued");
    return records.filter(({ acknowledged }) => acknowledged).map(({ voucher }) => voucher);
  };
}
