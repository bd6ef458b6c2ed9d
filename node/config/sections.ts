import { chainOptions } from "../chain/clients.ts";
import { gasOptions } from "../chain/fees.ts";
import { rpcOptions } from "../chain/rpc-pool.ts";
import { httpOptions } from "../http/options.ts";
import { logOptions } from "../kernel/logger.ts";
import { loadOptions } from "../kernel/process-load.ts";
import { accessOptions } from "../media-io/access/webhook.ts";
import { mp4Options } from "../media-io/mp4/options.ts";
import { pullOptions } from "../media-io/pull/options.ts";
import { pushOptions } from "../media-io/push/options.ts";
import { restreamOptions } from "../media-io/restream/options.ts";
import { srtOptions } from "../media-io/srt/options.ts";
import { webrtcOptions } from "../media-io/webrtc/options.ts";
import { balancerOptions } from "../services/balancer/options.ts";
import { buyerOptions } from "../services/buyer/buyer-agent.ts";
import { deliveryOptions } from "../services/delivery/delivery-service.ts";
import { evidenceOptions } from "../services/faults/evidence-service.ts";
import { ingestOptions } from "../services/ingest/ingest-service.ts";
import { jobDeskOptions } from "../services/jobs/job-desk.ts";
import { outboxOptions } from "../services/jobs/outbox.ts";
import { workReviewOptions } from "../services/jobs/work-review.ts";
import { payeeOptions } from "../services/payment/payee-service.ts";
import { payerOptions } from "../services/payment/payer-service.ts";
import { runwayOptions } from "../services/payment/payment-watch.ts";
import { x402Options } from "../services/prepaid/index.ts";
import { sessionClientOptions } from "../services/session/client.ts";
import { sessionHubOptions } from "../services/session/hub.ts";
import { settlementOptions } from "../services/settlement/options.ts";
import { storedJobOptions } from "../services/stored-jobs/stored-job-service.ts";
import { transcodingOptions } from "../services/transcoding/transcoding-service.ts";
import { watchtowerOptions } from "../services/watchtower/options.ts";
import { webhookOptions } from "../services/webhooks/webhook-service.ts";
import { wireOptions } from "../wire/host.ts";
import { nodeOptions, purchaseOptions, rtmpOptions, salesOptions } from "./node-options.ts";
import type { ConfigValues } from "./settings.ts";

/** Every setting of the program: the fragments of its parts, by section. */
export const sections = {
  node: nodeOptions,
  log: logOptions,
  load: loadOptions,
  chain: chainOptions,
  rpc: rpcOptions,
  gas: gasOptions,
  wire: wireOptions,
  http: httpOptions,
  session: sessionClientOptions,
  hub: sessionHubOptions,
  balancer: balancerOptions,
  sales: salesOptions,
  jobs: jobDeskOptions,
  outbox: outboxOptions,
  review: workReviewOptions,
  rtmp: rtmpOptions,
  srt: srtOptions,
  webrtc: webrtcOptions,
  mp4: mp4Options,
  restream: restreamOptions,
  push: pushOptions,
  pull: pullOptions,
  ingest: ingestOptions,
  transcoding: transcodingOptions,
  delivery: deliveryOptions,
  access: accessOptions,
  payee: payeeOptions,
  payer: payerOptions,
  settlement: settlementOptions,
  runway: runwayOptions,
  x402: x402Options,
  storedJobs: storedJobOptions,
  watchtower: watchtowerOptions,
  webhooks: webhookOptions,
  purchases: purchaseOptions,
  evidence: evidenceOptions,
  buyer: buyerOptions,
};

export type NodeSections = typeof sections;
export type NodeConfig = ConfigValues<NodeSections>;
