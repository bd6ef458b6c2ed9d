import assert from "node:assert/strict";
import {
  chooseVariant,
  followPlaylist,
  type Position,
  type PulledMediaPlaylist,
  readPulledPlaylist,
} from "@leat/node/media/pulled-playlist.ts";
import { Fmp4Reader } from "@leat/node/services/pulling/hls/fmp4-reader.ts";
import { makeHls } from "../hls-files.ts";
import { writeEvent, writeRelativeEvent } from "../mp4-tags.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { writeTag } from "../timed-tags.ts";
import { H264, HEVC } from "../ts-files.ts";
import { FuzzBus } from "./fuzz-bus.ts";
import { type FuzzCasesReport, fuzzCases } from "./fuzz-cases.ts";
import { mixLines, mutate, pick, pickOne } from "./mutate.ts";

/** A source's playlist as it is loaded again and again, each time another one. */
export function fuzzPlaylists(cases: number, seed: number): Promise<FuzzCasesReport> {
  const seeds = playlists.map((text) => new TextEncoder().encode(text));
  return fuzzCases(cases, seed, (random) => {
    let position: Position | undefined;
    let brought = 0;
    for (let load = 0; load < 3; load += 1) {
      const mixed = mixLines(random, seeds);
      const playlist = readPulledPlaylist(random.next() < 0.1 ? mutate(random, mixed, pickOne(random, seeds)) : mixed);
      if (playlist.type === "master") {
        assert.ok(chooseVariant(playlist, 1e8).bandwidth <= 1e8);
        continue;
      }
      brought += follow(playlist, position);
      position = followPlaylist(playlist, position).position;
    }
    return brought;
  });
}

/** What is new is in order, after what was known, and nothing that is not listed. */
function follow(playlist: PulledMediaPlaylist, before: Position | undefined): number {
  assert.ok(playlist.targetDurationS > 0);
  const { segments, position, missed, restarted } = followPlaylist(playlist, before);
  assert.ok(missed >= 0 && Number.isSafeInteger(position.next));
  for (const [at, segment] of segments.entries()) {
    assert.ok(playlist.segments.includes(segment));
    assert.ok(Number.isFinite(segment.durationS) && Number.isSafeInteger(segment.sequence));
    if (at > 0) assert.equal(segment.sequence, segments[at - 1]!.sequence + 1);
    if (before !== undefined && !restarted) assert.ok(segment.sequence >= before.next);
  }
  if (segments.length > 0) assert.equal(position.next, segments.at(-1)!.sequence + 1);
  return segments.length;
}

const playlists = [
  "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.0,\na7.ts\n#EXTINF:2,\na8.ts\n#EXTINF:2,\na9.ts\n#EXTINF:2,\na10.ts\n",
  '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:90\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI="i.mp4"\n#EXTINF:6,\n90.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="j.mp4",BYTERANGE="700@0"\n#EXTINF:5.5,\n91.m4s\n#EXT-X-GAP\n#EXTINF:6,\n92.m4s\n#EXT-X-ENDLIST\n',
  "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-BYTERANGE:5000@0\n#EXTINF:4,\nall.ts\n#EXT-X-BYTERANGE:6000\n#EXTINF:4,title\nall.ts\n#EXT-X-ENDLIST\n",
  '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1\n#EXT-X-PART-INF:PART-TARGET=0.33\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF:4,\n1.ts\n#EXT-X-PART:DURATION=0.33,URI="2.0.ts",INDEPENDENT=YES\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2.1.ts"\n',
  '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1\n#EXTINF:4,\n1.ts\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n',
  '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",DEFAULT=YES,URI="a.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"\nv.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=300000\nw.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"\n',
];

/** Fragmented MP4: an init segment and a segment behind it, of several makers. */
export async function fuzzFragments(cases: number, seed: number): Promise<FuzzCasesReport> {
  const seeds = await makeSeeds();
  return fuzzCases(cases, seed, (random) => {
    const made = pickOne(random, seeds);
    const other = pickOne(random, seeds);
    // Of either one is whole, so that the other is reached.
    const which = pick(random, 3);
    const init = which === 0 ? mutate(random, made.init, other.init) : made.init;
    const segment = which === 0 ? made.segment : mutateNear(random, made.segment, other.segment);
    const reader = new Fmp4Reader();
    reader.init(init);
    if (which === 2) reader.init(other.init);
    const bus = new FuzzBus();
    for (const item of reader.read(segment)) bus.take(item, init.length + segment.length);
    return bus.items;
  });
}

/** More often in the boxes at the front than in the media. */
function mutateNear(random: SeededRandom, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  if (random.next() < 0.3) return mutate(random, bytes, other);
  const boxes = Math.min(bytes.length, 1_000);
  return Buffer.concat([mutate(random, bytes.subarray(0, boxes), other.subarray(0, boxes)), bytes.subarray(boxes)]);
}

async function makeSeeds(): Promise<readonly { readonly init: Uint8Array; readonly segment: Uint8Array }[]> {
  const pictures = ["-f", "lavfi", "-i", "testsrc2=size=80x64:rate=25:duration=0.4"];
  const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=0.4"];
  const both = [...pictures, ...sound];
  const codecs = [
    [...both, ...H264, "-g", "4", "-c:a", "aac"],
    [...both, ...HEVC, "-c:a", "libopus", "-ac", "2"],
    [...sound, "-c:a", "aac"],
    [...pictures, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
  ];
  const events = [writeEvent(9_000, 90_000, writeTag("at")), writeRelativeEvent(100, 1_000, writeTag("after"))];
  return Promise.all(
    codecs.map(async (flags) => {
      const files = await makeHls(...flags, "-strict", "-2", "-hls_segment_type", "fmp4");
      const segment = Buffer.concat([...events, files.get("live0.m4s")!]);
      return { init: Uint8Array.from(files.get("init.mp4")!), segment: Uint8Array.from(segment) };
    }),
  );
}
