import { openRtsp } from "@leat/node/media-io/pull/rtsp-source.ts";
import { parseSource } from "@leat/node/media-io/pull/source-url.ts";
import { ManualClock } from "../manual-clock.ts";
import { type Recording, recordRtsp } from "../rtsp-source.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { mutate, pickOne } from "./mutate.ts";
import { fuzzSources, type SourceFuzzReport } from "./source-fuzz.ts";

const pictures = ["-f", "lavfi", "-i", "testsrc2=size=80x64:rate=25:duration=0.6"];
const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=0.6"];
const coded = ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5"];

/** Servers by RTSP whose answers, descriptions or packets are not whole. */
export async function fuzzRtspSources(cases: number, seed: number): Promise<SourceFuzzReport> {
  const recordings = [
    await recordRtsp([...pictures, ...sound, ...coded, "-c:v", "libx264", "-bf", "2", "-c:a", "aac"]),
    await recordRtsp([...pictures, ...sound, ...coded, "-c:v", "libx265", "-c:a", "libopus"]),
  ];
  const session = "Session: 7;timeout=60";
  const make = (random: SeededRandom) => {
    const { description, packets }: Recording = pickOne(random, recordings);
    const told = random.next() < 0.7 ? description : mutateText(random, description);
    const opening = [
      answer(1, "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER"),
      answer(2, `Content-Length: ${Buffer.byteLength(told)}`, told),
      answer(3, `${session}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1`),
      answer(4, `${session}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3`),
      answer(5, session),
    ];
    const media = packets.map(({ channel, data }) => {
      const sent = random.next() < 0.9 ? data : mutate(random, data, pickOne(random, packets).data).subarray(0, 65_535);
      return Buffer.concat([Uint8Array.of(0x24, channel, sent.length >> 8, sent.length & 0xff), sent]);
    });
    const sent = Buffer.concat(media);
    const parts = [...opening, random.next() < 0.7 ? sent : mutate(random, sent, sent)];
    if (random.next() < 0.7) return parts;
    return parts.map((bytes) => (random.next() < 0.8 ? bytes : mutate(random, bytes, sent)));
  };
  const source = parseSource("rtsp://me:secret@source.test/camera");
  return fuzzSources(cases, seed, make, (parts) => openRtsp(source, { ...parts, clock: new ManualClock(0) }));
}

function answer(number: number, headers: string, body = ""): Uint8Array {
  return Buffer.from(`RTSP/1.0 200 OK\r\nCSeq: ${number}\r\n${headers}\r\n\r\n${body}`);
}

function mutateText(random: SeededRandom, text: string): string {
  const bytes = Buffer.from(text);
  return Buffer.from(mutate(random, bytes, bytes)).toString("latin1");
}
