import { randomBytes } from "node:crypto";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import { nativeStatements } from "../kernel/secp.ts";
import { BuyerAgentService } from "../services/buyer/buyer-agent.ts";
import { type OutboxItem, OutboxService } from "../services/jobs/outbox.ts";
import { PayerService } from "../services/payment/payer-service.ts";
import { SessionClientService } from "../services/session/client.ts";
import { LevelReceiptStore } from "../store/receipts.ts";
import { LevelUsageStore } from "../store/usage.ts";
import { LevelVoucherStore } from "../store/vouchers.ts";
import { addEvidence } from "./evidence.ts";
import type { Foundation } from "./foundation.ts";
import { JobSessionAdapter } from "./job-session.ts";
import { addPaymentStatus } from "./payment-status.ts";
import { readPriceLists } from "./price-lists.ts";

const noCapacity = { total: 0, free: 0 };

/** Adds a buyer's agent: it checks what the cluster reports, looks at edges as a viewer, and signs vouchers. */
export async function addBuyer(foundation: Foundation): Promise<void> {
  const { clock, config, database, deployment, domain, host, key, logger, metrics, parts, registry } = foundation;
  const statements = nativeStatements;
  const shared = { clock, logger, metrics };
  const account = config.purchases.account === "" ? key.address : toAddress(config.purchases.account);
  const vouchers = new LevelVoucherStore(database);
  const payer = new PayerService(
    { vouchers, statements, signer: key.signer, domain, chain: registry, ...shared },
    config.payer,
  );
  const session = new SessionClientService(
    {
      host,
      collectHello: () => ({
        roles: ["buyer"],
        ...(account === key.address ? {} : { account }),
        region: config.node.region,
        jobs: [],
      }),
      collectHeartbeat: () => ({
        load: 0,
        draining: false,
        capacity: {
          ingestStreams: noCapacity,
          transcodePixelsPerSecond: noCapacity,
          deliveryBytesPerSecond: noCapacity,
        },
        jobs: [],
      }),
      ...shared,
    },
    config.session,
  );
  const jobSession = new JobSessionAdapter(session);
  const outbox = new OutboxService(
    { store: new LevelReceiptStore<OutboxItem>(database), session: jobSession, ...shared },
    config.outbox,
  );
  const ceilings = readPriceLists(config.purchases.ceilings, deployment.tokens);
  const agent = new BuyerAgentService(
    {
      session: jobSession,
      payer,
      vouchers,
      usage: new LevelUsageStore(database),
      outbox,
      evidence: addEvidence(foundation),
      statements,
      account,
      signer: key.signer,
      domain,
      deployment,
      chain: registry,
      ceilings: (token) => ceilings.get(token),
      probeSecret: randomBytes(32),
      ...shared,
    },
    config.buyer,
  );
  parts.push(
    { name: "payer", part: payer },
    { name: "buyer", part: agent },
    { name: "outbox", part: outbox },
    { name: "session", part: session },
  );
  foundation.readiness.push({
    name: "session",
    check: () => (session.connected ? undefined : "no session with a balancer"),
  });
  addPaymentStatus(foundation, [{ side: "payer", status: () => payer.status() }]);
}
