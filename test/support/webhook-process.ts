import { systemClock } from "@leat/node/kernel/clock.ts";
import { WebhookService, webhookOptions } from "@leat/node/services/webhooks/webhook-service.ts";
import { WebhookStore } from "@leat/node/store/sql/webhook-store.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { defaultsOf } from "./defaults.ts";
import { openEmptyDatabase } from "./empty-database.ts";

/** A process that tells events to a server, and its parent how many are on disk, until it is killed. */
const [folder, url, secret] = process.argv.slice(2) as [string, string, string];
const account = `0x${"aa".repeat(20)}` as const;
const service = new WebhookService(
  {
    store: new WebhookStore(await openEmptyDatabase(folder)),
    clock: systemClock,
    logger: silentLogger,
    metrics: silentMetrics,
  },
  { ...defaultsOf(webhookOptions), allowPrivate: true },
);
await service.start();
await service.add(account, { url, secret });
for (let number = 0; ; number += 1) {
  await service.tell({ id: String(number), type: "stream.started", account, data: { number } });
  process.send?.(number + 1);
}
