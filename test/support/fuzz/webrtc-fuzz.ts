import assert from "node:assert/strict";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { Timeline } from "@leat/node/media/timeline.ts";
import {
  parseRtcp,
  writeNack,
  writePli,
  writeReceiverReport,
  writeSenderReport,
} from "@leat/node/media-io/webrtc/rtcp.ts";
import { writeAnswer, writeTransportOffer } from "@leat/node/media-io/webrtc/sdp-answer.ts";
import { type OfferedCodec, parseOffer } from "@leat/node/media-io/webrtc/sdp-offer.ts";
import { parseFragment } from "@leat/node/media-io/webrtc/trickle.ts";
import { chooseCodecs } from "@leat/node/media-io/whip/choose-codecs.ts";
import { MediaIntake } from "@leat/node/media-io/whip/media-intake.ts";
import { decodeMediaMessage, encodeMediaMessage } from "@leat/node/wire/media/codec.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { isTrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import { browserOffer, pwd, ufrag } from "../browser-offer.ts";
import { codedTrack, codedVp8 } from "../coded-track.ts";
import { packetsOf } from "../rtp-packets.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { mutate, pick, pickOne } from "./mutate.ts";
import type { FuzzReport } from "./rtmp-fuzz.ts";

interface Seeds {
  readonly offers: readonly Uint8Array[];
  readonly fragments: readonly Uint8Array[];
  readonly reports: readonly Uint8Array[];
  /** By codec, packets of a publisher in order. */
  readonly streams: readonly { readonly codec: "H264" | "VP8" | "VP9"; readonly packets: readonly Uint8Array[] }[];
}

/** One way in: makes a hostile input and feeds it. Gives how many things came out. */
type Target = (random: SeededRandom, seeds: Seeds) => number;

const host = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host";
const targets: readonly Target[] = [fuzzOffer, fuzzFragment, fuzzReports, fuzzPackets, fuzzPackets];
/** As much as the intake may hold of one track, and one more on its way. */
const MAX_HELD = 4_097;

/** Throws an error that names seed and case for anything but an answer or a coded refusal. */
export async function fuzzWebrtc(cases: number, seed: number): Promise<FuzzReport> {
  const seeds = await makeSeeds();
  const refused = new Map<string, number>();
  let [read, items] = [0, 0];
  for (let index = 0; index < cases; index += 1) {
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    try {
      items += targets[index % targets.length]!(random, seeds);
      read += 1;
    } catch (error) {
      if (!isCodedError(error)) throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
  }
  return { cases, read, refused, items };
}

async function makeSeeds(): Promise<Seeds> {
  const [h264, vp8, vp9] = await Promise.all([
    codedTrack("h264", "160x96"),
    codedVp8("160x96"),
    codedTrack("vp9", "160x96"),
  ]);
  const report = { ssrc: 7, fractionLost: 0.5, lost: 1, highest: 9, jitter: 3, lastReport: 1, sinceLastReport: 2 };
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
  const credentials = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\n`;
  return {
    offers: [browserOffer({ candidates: [host] }), browserOffer({ direction: "recvonly" })].map(bytes),
    fragments: [`${credentials}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=${host}\r\na=end-of-candidates\r\n`].map(
      bytes,
    ),
    reports: [
      writeSenderReport({ ssrc: 7, wallMs: 1_790_000_000_000, timestamp: 9, packets: 1, bytes: 2 }),
      writeReceiverReport(1, report),
      Buffer.concat([writePli(1, 7), writeNack(1, 7, [1, 2, 40])]),
    ],
    streams: [
      { codec: "H264", packets: packetsOf(h264).slice(0, 20).flat() },
      { codec: "VP8", packets: packetsOf(vp8).slice(0, 20).flat() },
      { codec: "VP9", packets: packetsOf(vp9).slice(0, 20).flat() },
    ],
  };
}

function fuzzOffer(random: SeededRandom, { offers }: Seeds): number {
  const text = Buffer.from(mutate(random, pickOne(random, offers), pickOne(random, offers))).toString("latin1");
  const offer = parseOffer(text);
  const written = writeTransportOffer(offer);
  // Whatever came, the native library is shown lines of ours alone.
  assert.match(written, /^(?:[a-z]=[ -~]*\r\n)+$/);
  const { answered } = chooseCodecs(offer);
  const transport = { ice: offer.ice, fingerprint: offer.fingerprint, setup: "active", candidates: [] };
  assert.match(writeAnswer(transport, answered), /^(?:[a-z]=[ -~]*\r\n)+$/);
  return 1;
}

function fuzzFragment(random: SeededRandom, { fragments }: Seeds): number {
  const text = Buffer.from(mutate(random, pickOne(random, fragments), pickOne(random, fragments))).toString("latin1");
  return parseFragment(text).candidates.length;
}

function fuzzReports(random: SeededRandom, { reports }: Seeds): number {
  const items = parseRtcp(mutate(random, pickOne(random, reports), pickOne(random, reports)));
  for (const item of items) if (item.type === "nack") assert.ok(item.sequences.length <= 512 + 16);
  return items.length;
}

/** A publisher whose packets are changed, lost, doubled and overtaken. */
function fuzzPackets(random: SeededRandom, { streams, reports }: Seeds): number {
  const { codec, packets } = pickOne(random, streams);
  const codecOf = (payloadType: number, name: string): OfferedCodec => ({
    payloadType,
    name,
    clockRate: 90_000,
    channels: 2,
    parameters: "",
    feedback: [],
  });
  const intake = new MediaIntake({ video: codecOf(96, codec), audio: codecOf(111, "OPUS") }, 0);
  const bus = new Bus();
  let nowMs = 0;
  for (const packet of disturb(random, packets)) {
    nowMs += pick(random, 20);
    const sent = random.next() < 0.02 ? pickOne(random, reports) : packet;
    bus.take(intake.push(sent, nowMs));
    if (random.next() < 0.3) bus.take(intake.tick(nowMs));
    assert.ok(intake.video.heldPackets <= MAX_HELD && intake.audio.heldPackets <= MAX_HELD);
    intake.video.asks(nowMs);
  }
  bus.take(intake.tick(nowMs + 10_000));
  assert.equal(intake.video.heldPackets, 0);
  return bus.items;
}

function disturb(random: SeededRandom, packets: readonly Uint8Array[]): Uint8Array[] {
  const out = packets.map((packet) => Uint8Array.from(packet));
  const edits = pick(random, 6);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = pick(random, out.length);
    const roll = random.next();
    if (roll < 0.2) out.splice(at, 1);
    else if (roll < 0.35) out.splice(at, 0, out[pick(random, out.length)] ?? new Uint8Array());
    else if (roll < 0.5) out.splice(pick(random, out.length), 0, ...out.splice(at, 1 + pick(random, 5)));
    else if (roll < 0.6 && out[at] !== undefined) out[at]![1] = 111;
    else if (out[at] !== undefined) {
      // Behind the head too: what a picture is made of.
      const from = random.next() < 0.3 ? 0 : 12;
      const changed = mutate(random, out[at]!.subarray(from), pickOne(random, packets).subarray(12));
      out[at] = Uint8Array.from(Buffer.concat([out[at]!.subarray(0, from), changed]));
    }
  }
  return out;
}

/** What comes out must be of use to all that follow: packagers, other nodes. */
class Bus {
  readonly #timeline = new Timeline();
  items = 0;

  take(items: readonly PublishItem[]): void {
    for (const item of items) {
      this.items += 1;
      try {
        this.#use(item);
      } catch (cause) {
        throw new Error(`no use for ${item.type}`, { cause });
      }
    }
  }

  #use(item: PublishItem): void {
    if (item.type === "config") {
      const { config } = item;
      const version = this.#timeline.configure(config);
      if (isTrackConfig(config)) initSegment(config);
      else assert.equal(config.codec, "vp8");
      assert.ok(config.kind === "video" || isTrackConfig(config));
      decodeMediaMessage(Buffer.concat(encodeMediaMessage({ type: "config", rung: 0, version, config })));
      return;
    }
    const { dtsMs, data } = item.sample;
    assert.ok(Number.isFinite(dtsMs) && data.length > 0);
    const sample = { dts: dtsMs, key: item.type === "audio" || item.sample.key, data };
    for (const frame of this.#timeline[item.type](sample, 0)) {
      assert.ok(Number.isSafeInteger(frame.dts) && frame.dts >= 0);
      decodeMediaMessage(Buffer.concat(encodeMediaMessage({ type: "frame", rung: 0, sequence: 0, frame })));
    }
  }
}
