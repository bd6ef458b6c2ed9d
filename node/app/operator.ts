import { join } from "node:path";
import { type Hex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { chooseEngine } from "@leat/transcoder/choose-engine.ts";
import { probeEncoders } from "@leat/transcoder/probe.ts";
import { rememberProbe } from "@leat/transcoder/remembered-probe.ts";
import { startAudioEncode, startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { isCertificateNamed } from "../kernel/certificate-options.ts";
import { fileBeside } from "../kernel/file-witness.ts";
import { ProcessLoad } from "../kernel/process-load.ts";
import { nativeStatements } from "../kernel/secp.ts";
import { findFault } from "../media/verification/verify-segment.ts";
import { RefusalReporter, type StreamRefusals } from "../media-io/access/refusals.ts";
import { Audiences } from "../media-io/hls/audience.ts";
import { addLive, type HlsDoor } from "../media-io/hls/routes.ts";
import { createRtmpServer, type RtmpServer } from "../media-io/rtmp/server.ts";
import { WebrtcEndpoint } from "../media-io/webrtc/endpoint.ts";
import { CheckingService } from "../services/checking/checking-service.ts";
import { DeliveryService } from "../services/delivery/delivery-service.ts";
import { type EdgeStream, type KeepPart, keepPart } from "../services/delivery/edge-stream.ts";
import { IngestService } from "../services/ingest/ingest-service.ts";
import { JobDeskService } from "../services/jobs/job-desk.ts";
import { MediaDoor } from "../services/jobs/media-door.ts";
import { type OutboxItem, OutboxService } from "../services/jobs/outbox.ts";
import { type PackSegment, packSegment } from "../services/jobs/packed-segment.ts";
import { createReceiptBook } from "../services/jobs/receipt-book.ts";
import { WorkReview } from "../services/jobs/work-review.ts";
import { PayeeService } from "../services/payment/payee-service.ts";
import type { Pulling } from "../services/pulling/pulling-service.ts";
import { SessionClientService } from "../services/session/client.ts";
import { SettlementService } from "../services/settlement/settlement-service.ts";
import { TranscodingService } from "../services/transcoding/transcoding-service.ts";
import { VoucherLeaver } from "../services/watchtower/voucher-leaver.ts";
import { LevelAttemptStore } from "../store/attempts.ts";
import { LevelReceiptStore } from "../store/receipts.ts";
import { LevelVoucherStore } from "../store/vouchers.ts";
import { RemoteError } from "../wire/errors.ts";
import { OfferGossip } from "../wire/gossip/offers.ts";
import { type Foundation, settlementParts } from "./foundation.ts";
import { JobSessionAdapter } from "./job-session.ts";
import { addMp4 } from "./mp4.ts";
import { OfferWriter } from "./offer.ts";
import { addPaymentStatus } from "./payment-status.ts";
import { readPriceLists } from "./price-lists.ts";
import { addPulling } from "./pulling.ts";
import { addPush } from "./push.ts";
import { addRestreaming } from "./restreaming.ts";
import { addSrt, type SrtHello } from "./srt.ts";
import { addWhep, addWhip } from "./webrtc.ts";
import { addTranscodes, addX402, createPlaybackDoor } from "./x402.ts";

/** What does the work itself: replaceable, so that a node that lies can be built from outside to test the others. */
export interface Workmanship {
  readonly startTranscode: typeof startLiveTranscode;
  /** How a transcoder packs what it signs for. */
  readonly packTranscoded: PackSegment;
  readonly keepPart: KeepPart;
}

export const honestWorkmanship: Workmanship = {
  startTranscode: startLiveTranscode,
  packTranscoded: packSegment,
  keepPart,
};

/** Most that a heartbeat waits for a new measurement of the load. */
const LOAD_PATIENCE_MS = 200;

/** Adds what an operator's node does: a session with its cluster, and the primitives that its roles name. */
export async function addOperator(foundation: Foundation, work: Workmanship = honestWorkmanship): Promise<void> {
  const { clock, config, database, deployment, domain, host, http, key, logger, metrics, parts, registry } = foundation;
  const statements = nativeStatements;
  const signer = key.signer;
  const shared = { clock, logger, metrics };
  const priceLists = readPriceLists(config.sales.prices, deployment.tokens);
  const vouchers = new LevelVoucherStore(database);
  const payee = new PayeeService(
    {
      vouchers,
      statements,
      domain,
      chain: registry,
      payee: key.address,
      bouncesOf: (payer) => registry.bouncesOf(payer),
      tokens: Object.values(foundation.deployment.tokens).map(toAddress),
      ...shared,
    },
    config.payee,
  );
  const settling = await settlementParts(foundation);
  const settlement = new SettlementService({ vouchers, payee, ...settling, ...shared }, config.settlement);
  const gossip = new OfferGossip({ host, statements, domain, ...shared });
  const offers = new OfferWriter(foundation, priceLists, (offer) => gossip.publish(offer));
  const load = new ProcessLoad(config.load);
  const roles = config.node.roles.filter((role) => role !== "balancer" && role !== "buyer" && role !== "watchtower");
  let rtmp: RtmpServer | undefined;
  let pulling: Pulling | undefined;
  let describeSrt: (() => SrtHello | undefined) | undefined;
  const webrtc = new WebrtcEndpoint(config.webrtc, logger);

  const session = new SessionClientService(
    {
      host,
      collectHello: async () => ({
        roles: roles.filter((role) => role !== "transcode" || desk.capacity().transcodePixelsPerSecond.total > 0),
        httpUrl: foundation.httpUrl,
        ...(rtmp === undefined ? {} : { rtmpUrl: config.node.rtmpUrl || rtmp.url }),
        ...(rtmp === undefined || webrtc.fault !== undefined ? {} : { whipUrl: `${foundation.httpUrl}/whip` }),
        ...(rtmp !== undefined && config.push.enabled ? { pushUrl: `${foundation.httpUrl}/live` } : {}),
        ...describeSrt?.(),
        ...(pulling === undefined ? {} : { pulls: [...pulling.schemes] }),
        region: config.node.region,
        offer: await offers.write(desk.capacity()),
        jobs: desk.runningJobs(),
      }),
      collectHeartbeat: async () => ({
        load: await load.newest(LOAD_PATIENCE_MS),
        draining: false,
        capacity: desk.capacity(),
        jobs: desk.runningJobs(),
      }),
      ...shared,
    },
    config.session,
  );
  const jobSession = new JobSessionAdapter(session);
  const receiptStore = new LevelReceiptStore<OutboxItem>(database);
  const outbox = new OutboxService({ store: receiptStore, session: jobSession, ...shared }, config.outbox);
  const attempts = new LevelAttemptStore(database, fileBeside(config.node.keyFile));
  const receipts = createReceiptBook({ signer, domain, outbox, payee, attempts, store: receiptStore });
  const desk = new JobDeskService(
    {
      session: jobSession,
      payee,
      receipts,
      statements,
      signer,
      domain,
      prices: (token) => priceLists.get(toAddress(token)),
      clock,
      logger,
    },
    config.jobs,
  );
  const review = new WorkReview({ session: jobSession, payee, outbox, desk, ...shared }, config.review);
  session.handle("voucher.offer", (offer) => payee.accept(offer));

  parts.push(
    { name: "payee", part: payee },
    { name: "settlement", part: settlement },
    { name: "towers", part: new VoucherLeaver({ host, vouchers, ...shared }, config.watchtower) },
    { name: "gossip", part: gossip },
  );
  const x402 = config.x402.enabled
    ? await addX402(foundation, { payee, vouchers, tokenValues: settling.tokens })
    : undefined;
  if (roles.includes("transcode")) {
    if (x402 !== undefined && config.x402.transcodes) await addTranscodes(foundation, priceLists, x402);
    const probe = rememberProbe(probeEncoders, join(config.node.dataDir, "encoders.json"), clock);
    const transcoding = new TranscodingService(
      {
        desk,
        media: host,
        receipts,
        chooseEngine: (wanted, options) => chooseEngine(wanted, { ...options, probe }),
        startTranscode: work.startTranscode,
        pack: work.packTranscoded,
        ...shared,
      },
      config.transcoding,
    );
    parts.push(
      { name: "transcoding", part: transcoding },
      { name: "codecs", part: { start: async () => offers.setCodecs(transcoding.encoders), stop: async () => {} } },
    );
  }
  const media = new MediaDoor({ session: jobSession, statements, domain, ...shared });
  if (roles.includes("delivery") || roles.includes("ingest")) {
    parts.push({ name: "media", part: media }, { name: "webrtc", part: webrtc });
    host.onMedia((connection) => media.serve(connection));
  }
  let delivery: DeliveryService | undefined;
  let taking: IngestService | undefined;
  let door: HlsDoor | undefined;
  const audiences = new Audiences(clock);
  if (roles.includes("delivery")) {
    const audienceOf = (stream: EdgeStream) => audiences.of(stream).figures();
    delivery = new DeliveryService(
      {
        desk,
        session: jobSession,
        media: host,
        receipts,
        statements,
        domain,
        keep: work.keepPart,
        audienceOf,
        ...shared,
      },
      config.delivery,
    );
    door =
      x402 && createPlaybackDoor(x402, priceLists, { token: deployment.tokens.USDC, playback: config.x402.playback });
    await addLive(http, delivery, { metrics, door, access: foundation.access, audiences });
    parts.push({ name: "delivery", part: delivery });
    await addWhep(foundation, webrtc, delivery, { audiences, door });
    await addMp4(foundation, delivery, { audiences, door });
    // A balancer in the same process tells the owners itself.
    if (!config.node.roles.includes("balancer")) {
      const send = ({ stream, refusals }: StreamRefusals) =>
        jobSession.call("viewers.refused", { stream: stream as Hex, refusals }).catch((error) => {
          // A refusal is an answer too: it would be the same a minute later.
          if (!(error instanceof RemoteError)) throw error;
        });
      const reporter = new RefusalReporter({ book: foundation.refusals, send, clock, logger });
      parts.push({ name: "refusals", part: reporter });
    }
  }
  if (roles.includes("ingest")) {
    const checking = new CheckingService({ findFault, outbox, signer, domain, ...shared });
    const ingest = new IngestService(
      {
        session: jobSession,
        desk,
        receipts,
        checking,
        pack: packSegment,
        startAudio: startAudioEncode,
        statements,
        signer,
        domain,
        ...shared,
      },
      config.ingest,
    );
    taking = ingest;
    media.register(ingest);
    const { tls, ...plain } = config.rtmp;
    rtmp = createRtmpServer({
      ...plain,
      tls: isCertificateNamed(tls) ? tls : undefined,
      authorize: (streamKey, info) => ingest.authorize(streamKey, info),
      ...shared,
    });
    parts.push({ name: "ingest", part: ingest }, { name: "rtmp", part: rtmp });
    await addWhip(foundation, webrtc, ingest);
    if (config.push.enabled) await addPush(foundation, ingest);
  }
  if (delivery !== undefined) media.register(delivery);
  if (taking !== undefined || delivery !== undefined) {
    const { service, describe } = addSrt(foundation, { ingest: taking, delivery, audiences, door });
    describeSrt = describe;
    if (taking !== undefined) pulling = addPulling(foundation, jobSession, taking, service);
    if (delivery !== undefined) addRestreaming(foundation, jobSession, delivery, service);
  }
  parts.push({ name: "outbox", part: outbox }, { name: "jobs", part: desk }, { name: "session", part: session });
  parts.push({ name: "review", part: review });
  foundation.readiness.push({
    name: "session",
    check: () => (session.connected ? undefined : "no session with a balancer"),
  });
  addPaymentStatus(foundation, [{ side: "payee", status: () => payee.status() }]);
}
