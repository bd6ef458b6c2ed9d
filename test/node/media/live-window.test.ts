import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkDelta, checkReload } from "@leat/node/media/inspect/check-reload.ts";
import type { LivePart, LiveSegment } from "@leat/node/media/live-segment.ts";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import { PlaylistCache } from "@leat/node/media-io/hls/playlist-cache.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

const renditions: RenditionInfo[] = [
  { rung: 1, name: "480p", kind: "video", codec: "h264", family: "h264", width: 854, height: 480, bitrate: 1_000_000 },
  { rung: 2, name: "240p", kind: "video", codec: "h264", family: "h264", width: 426, height: 240, bitrate: 300_000 },
  { rung: 3, name: "360p-vp9", kind: "video", codec: "vp9", family: "vp9", width: 640, height: 360, bitrate: 500_000 },
  { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 },
  { rung: 101, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 64_000 },
];

function configOf(info: RenditionInfo): TrackConfig {
  const description = Uint8Array.of(info.rung);
  if (info.kind === "audio") {
    const codecString = info.codec === "aac" ? "mp4a.40.2" : "opus";
    return {
      kind: "audio",
      codec: info.codec as "aac",
      timescale: 48_000,
      sampleRate: 48_000,
      channels: 2,
      description,
      codecString,
    };
  }
  const codecString = info.codec === "vp9" ? "vp09.00.10.08" : "avc1.64001f";
  const [width, height] = [info.width!, info.height!];
  return { kind: "video", codec: info.codec as "h264", timescale: 90_000, width, height, description, codecString };
}

function makeWindow(options = {}): LiveWindow {
  const window = new LiveWindow(options);
  window.describe(renditions);
  for (const info of renditions) window.setConfig(info.rung, 0, configOf(info));
  return window;
}

function segmentOf(rung: number, sequence: number, facts: Partial<LiveSegment> = {}): LiveSegment {
  const { durationTicks = rung >= 100 ? 95_232 : 180_000 } = facts;
  const wallClockMs = 1_700_000_000_000 + sequence * 2000;
  return {
    rung,
    sequence,
    epoch: 0,
    configVersion: 0,
    wallClockMs,
    frames: 60,
    durationTicks,
    sizeBytes: 250_000,
    parts: [partOf(sequence * durationTicks, durationTicks)],
    ...facts,
  };
}

function partOf(startTicks: number, durationTicks: number): LivePart {
  const sha256 = `0x${"00".repeat(32)}` as const;
  const facts = { offset: 0, sizeBytes: 250_000, frames: 60, pixels: 0, independent: false, headSizeBytes: 1_000 };
  return { ...facts, startTicks, durationTicks, sha256 };
}

function addAll(window: LiveWindow, sequence: number, facts: Partial<LiveSegment> = {}): void {
  for (const info of renditions) window.add(segmentOf(info.rung, sequence, facts));
}

function linesOf(text: string | undefined, start: string): string[] {
  return text!.split("\n").filter((line) => line.startsWith(start));
}

describe("live window", () => {
  it("goes on with gaps where the source is left out, and measures what nobody asked for", () => {
    const source = { ...renditions[0]!, rung: 0, name: "source", bitrate: 9_000_000 };
    const window = new LiveWindow();
    window.describe([...renditions.slice(0, 1), source, ...renditions.slice(3, 4)]);
    for (const one of [renditions[0]!, source, renditions[3]!]) window.setConfig(one.rung, 0, configOf(one));
    for (const rung of [0, 1, 100]) window.add(segmentOf(rung, 0));
    assert.match(window.master()!, /BANDWIDTH=2\d{6},[^\n]*\nsource/);
    const before = window.revisionOf("source");
    for (const sequence of [1, 2, 3]) window.add(segmentOf(1, sequence));
    assert.ok(window.revisionOf("source") > before);
    const listed = window.playlist("source")!;
    // The newest may still come.
    assert.deepEqual([linesOf(listed, "#EXT-X-GAP").length, linesOf(listed, "#EXTINF").length], [2, 3]);
    assert.deepEqual(checkPlaylist(listed), []);
    window.add(segmentOf(0, 3));
    assert.equal(linesOf(window.playlist("source"), "#EXTINF").length, 4);
  });

  it("names no source that is left out, until it comes back, where there are other pictures", () => {
    const source = { ...renditions[0]!, rung: 0, name: "source" };
    const [named, alone] = [new LiveWindow(), new LiveWindow()];
    named.describe([renditions[0]!, source, renditions[3]!]);
    alone.describe([source, renditions[3]!]);
    for (const window of [named, alone]) {
      for (const one of window.renditions) window.setConfig(one.rung, 0, configOf(one));
      for (const { rung } of window.renditions) window.add(segmentOf(rung, 0));
    }
    const isNamed = (window: LiveWindow) => [window.master()!, window.mpd()!].map((text) => /source/.test(text));
    for (const sequence of [1, 2]) named.add(segmentOf(1, sequence));
    assert.deepEqual(isNamed(named), [true, true]);
    named.add(segmentOf(1, 3));
    assert.deepEqual(isNamed(named), [false, false]);
    named.add(segmentOf(0, 4));
    assert.deepEqual(isNamed(named), [true, true]);
    for (const sequence of [1, 2, 3]) alone.add(segmentOf(100, sequence));
    assert.deepEqual(isNamed(alone), [true, true]);
  });

  it("writes a master with H.264 and AAC first, VP9 and Opus second, codecs and measured rates", () => {
    const window = makeWindow();
    addAll(window, 0);
    assert.equal(
      window.master(),
      `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-aac",NAME="audio-aac",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio-aac/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-opus",NAME="audio-opus",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio-opus/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2008065,AVERAGE-BANDWIDTH=2008065,RESOLUTION=854x480,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=30.000,AUDIO="audio-aac"
480p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2008065,AVERAGE-BANDWIDTH=2008065,RESOLUTION=426x240,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=30.000,AUDIO="audio-aac"
240p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2008065,AVERAGE-BANDWIDTH=2008065,RESOLUTION=640x360,CODECS="vp09.00.10.08,opus",FRAME-RATE=30.000,AUDIO="audio-opus"
360p-vp9/index.m3u8
`,
    );
    assert.deepEqual(linesOf(window.master("vp9"), "#EXT-X-STREAM-INF").length, 1);
  });

  it("names Opus nowhere where no family goes with it: it is for WebRTC alone", () => {
    const window = new LiveWindow();
    const some = renditions.filter(({ codec }) => codec !== "vp9");
    window.describe(some);
    for (const info of some) window.setConfig(info.rung, 0, configOf(info));
    // Nor does what is offered wait for it.
    for (const rung of [1, 2, 100]) window.add(segmentOf(rung, 0));
    const master = window.master()!;
    assert.deepEqual(checkPlaylist(master), []);
    assert.equal(linesOf(master, "#EXT-X-STREAM-INF").length, 2);
    window.add(segmentOf(101, 0));
    for (const text of [window.master(), window.mpd(), window.playlist("480p")]) {
      assert.match(text!, /audio-aac/);
      assert.doesNotMatch(text!, /opus/);
    }
  });

  it("lists one group of a stream without a picture as its only variant, each by the family that goes with it", () => {
    const window = new LiveWindow();
    const sounds = renditions.filter(({ kind }) => kind === "audio");
    window.describe(sounds);
    for (const info of sounds) window.setConfig(info.rung, 0, configOf(info));
    assert.equal(window.master(), undefined);
    window.add(segmentOf(100, 0, { sizeBytes: 24_000 }));
    assert.equal(
      window.master(),
      `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=96775,AVERAGE-BANDWIDTH=96775,CODECS="mp4a.40.2"
audio-aac/index.m3u8
`,
    );
    assert.equal(window.master("vp9"), undefined);
    window.add(segmentOf(101, 0));
    assert.match(window.master("vp9")!, /CODECS="opus"\naudio-opus/);
    assert.equal(window.master("h264"), window.master());
  });

  it("moves with the newest segment in the playlist of a rung that stands still", () => {
    const window = makeWindow({ windowMs: 6_000, graceMs: 2_000 });
    for (const sequence of [0, 1, 2]) addAll(window, sequence);
    const documents = new PlaylistCache();
    const listed = () => {
      const document = documents.get(window, "240p", window.revisionOf("240p"), () => window.playlist("240p"));
      return linesOf(document?.encodedFor(undefined).body.toString(), "#EXT-X-MEDIA-SEQUENCE");
    };
    assert.deepEqual(listed(), ["#EXT-X-MEDIA-SEQUENCE:0"]);
    window.add(segmentOf(1, 3));
    assert.deepEqual(listed(), ["#EXT-X-MEDIA-SEQUENCE:1"]);
    window.add(segmentOf(1, 4));
    assert.deepEqual(listed(), ["#EXT-X-MEDIA-SEQUENCE:2"]);
  });

  it("writes media playlists", () => {
    const window = makeWindow();
    addAll(window, 7);
    addAll(window, 8);
    window.end();
    assert.equal(
      window.playlist("480p"),
      `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:34.000Z
#EXTINF:2.00000,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:36.000Z
#EXTINF:2.00000,
8.m4s
#EXT-X-ENDLIST
`,
    );
  });

  it("holds the master back until every family is there, but not for one that is late", () => {
    const window = makeWindow();
    for (let sequence = 0; sequence < 4; sequence += 1) {
      assert.equal(window.master(), undefined);
      for (const rung of [1, 2, 100]) window.add(segmentOf(rung, sequence));
    }
    assert.deepEqual(linesOf(window.master(), "#EXT-X-STREAM-INF").length, 2);
    assert.equal(window.playlist("360p-vp9"), undefined);
  });

  it("lists a family without its audio where there is none", () => {
    const window = makeWindow();
    window.describe(renditions.filter((info) => info.kind === "video"));
    for (const rung of [1, 2, 3]) window.add(segmentOf(rung, 0));
    assert.ok(
      linesOf(window.master(), "#EXT-X-STREAM-INF").every((line) => !line.includes("AUDIO") && !line.includes("mp4a")),
    );
  });

  it("marks a sequence that a rung never got as a gap, for good", () => {
    const window = makeWindow();
    const long = { durationTicks: 270_000 };
    for (const sequence of [0, 1, 2]) window.add(segmentOf(1, sequence, long));
    window.add(segmentOf(3, 0, long));
    window.add(segmentOf(3, 2, long));
    assert.deepEqual(window.add(segmentOf(3, 1, long)), { added: false, evicted: [] });
    assert.match(window.playlist("360p-vp9")!, /#EXT-X-GAP\n#EXTINF:3\.00000,\n1\.m4s/);
    assert.equal(linesOf(window.playlist("480p"), "#EXT-X-GAP").length, 0);
  });

  it("gives what no rung has the time that is between, so that what follows stands where it shows", () => {
    const window = makeWindow();
    for (const sequence of [0, 1]) for (const rung of [1, 2]) window.add(segmentOf(rung, sequence));
    // One goes on with half a segment, and both come back after three.
    window.add(segmentOf(2, 2, { durationTicks: 90_000, parts: [partOf(360_000, 90_000)] }));
    for (const rung of [1, 2]) window.add(segmentOf(rung, 6));
    const listed = window.playlist("480p")!;
    const durations = linesOf(listed, "#EXTINF").map((line) => Number.parseFloat(line.slice("#EXTINF:".length)));
    assert.deepEqual(durations, [2, 2, 1, 2.33333, 2.33333, 2.33333, 2]);
    assert.deepEqual(checkPlaylist(listed), []);
  });

  it("marks epochs as discontinuities that all rungs count alike, and repeats the map when it changes", () => {
    const window = makeWindow({ windowMs: 6000 });
    window.setConfig(1, 1, configOf(renditions[0]!));
    for (const [sequence, epoch, configVersion] of [
      [0, 0, 0],
      [1, 1, 0],
      [2, 1, 1],
      [3, 2, 1],
    ] as const) {
      window.add(segmentOf(1, sequence, { epoch, configVersion }));
      window.add(segmentOf(2, sequence, { epoch }));
    }
    const expected = ["#EXT-X-DISCONTINUITY-SEQUENCE:1", "#EXT-X-DISCONTINUITY"];
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-DISCONTINUITY"), expected);
    assert.deepEqual(linesOf(window.playlist("240p"), "#EXT-X-DISCONTINUITY"), expected);
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-MAP"), [
      '#EXT-X-MAP:URI="init-0.mp4"',
      '#EXT-X-MAP:URI="init-1.mp4"',
    ]);
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-MEDIA-SEQUENCE"), ["#EXT-X-MEDIA-SEQUENCE:1"]);
  });

  it("slides, and keeps what left the playlist for a grace time", () => {
    const window = makeWindow({ windowMs: 14_000, graceMs: 4000 });
    const evicted: number[] = [];
    let before: string | undefined;
    for (let sequence = 0; sequence < 20; sequence += 1) {
      // An epoch in between, and a segment that one rung never got.
      const epoch = sequence < 7 ? 0 : 2;
      for (const rung of sequence === 11 ? [2] : [1, 2]) {
        evicted.push(...window.add(segmentOf(rung, sequence, { epoch })).evicted);
      }
      const after = window.playlist("480p")!;
      assert.ok(linesOf(after, "#EXTINF").length <= 7);
      assert.deepEqual(checkReload(before ?? after, after), []);
      before = after;
    }
    assert.deepEqual(checkPlaylist(window.master("h264")!), []);
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-MEDIA-SEQUENCE"), ["#EXT-X-MEDIA-SEQUENCE:13"]);
    assert.deepEqual(
      evicted,
      Array.from({ length: 11 }, (_, index) => index),
    );
    assert.equal(window.segment("480p", 10), undefined);
    assert.equal(window.segment("480p", 12)!.sequence, 12);
  });

  it("reports on the other renditions while it lives, and tells who listens of every change", () => {
    const window = makeWindow();
    let changes = 0;
    const forget = window.onChange(() => {
      changes += 1;
    });
    addAll(window, 4);
    window.add(segmentOf(2, 5));
    assert.equal(changes, 6);
    assert.deepEqual([window.headOf("240p"), window.headOf("480p"), window.headOf("720p")], [5, 4, -1]);
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-RENDITION"), [
      '#EXT-X-RENDITION-REPORT:URI="../240p/index.m3u8",LAST-MSN=5',
      '#EXT-X-RENDITION-REPORT:URI="../360p-vp9/index.m3u8",LAST-MSN=4',
      '#EXT-X-RENDITION-REPORT:URI="../audio-aac/index.m3u8",LAST-MSN=4',
      '#EXT-X-RENDITION-REPORT:URI="../audio-opus/index.m3u8",LAST-MSN=4',
    ]);
    window.end();
    forget();
    window.describe(renditions);
    assert.equal(changes, 7);
    assert.deepEqual(linesOf(window.playlist("480p"), "#EXT-X-RENDITION"), []);
  });

  it("leaves out of an update what a player has, over epochs, gaps and configurations", () => {
    const window = makeWindow();
    window.setConfig(1, 1, configOf(renditions[0]!));
    let held: string | undefined;
    for (let sequence = 0; sequence < 40; sequence += 1) {
      const [epoch, configVersion] = [sequence < 9 ? 0 : 1, sequence < 12 ? 0 : 1];
      if (sequence !== 20) window.add(segmentOf(1, sequence, { epoch, configVersion }));
      window.add(segmentOf(2, sequence, { epoch }));
      const whole = window.playlist("480p")!;
      const update = window.playlist("480p", { skip: true })!;
      assert.deepEqual(checkDelta(held ?? whole, update, whole), []);
      assert.deepEqual(checkReload(held ?? whole, update), []);
      held = whole;
    }
    assert.deepEqual(linesOf(window.playlist("480p", { skip: true }), "#EXT-X-SKIP"), [
      "#EXT-X-SKIP:SKIPPED-SEGMENTS=18",
    ]);
  });

  it("lists the key frames that segments begin with", () => {
    const window = makeWindow();
    const facts = {
      frames: 8,
      pixels: 1,
      offset: 0,
      sizeBytes: 50_000,
      durationTicks: 22_500,
      sha256: "0x00",
    } as const;
    const part = { ...facts, startTicks: 0, independent: true, headSizeBytes: 20_000 };
    for (const independent of [true, false]) {
      window.add(segmentOf(1, independent ? 0 : 1, { parts: [{ ...part, independent }] }));
    }
    assert.equal(
      window.iframes("480p"),
      `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-I-FRAMES-ONLY
#EXT-X-MAP:URI="init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z
#EXT-X-BYTERANGE:20000@0
#EXTINF:2.00000,
0.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z
#EXT-X-GAP
#EXTINF:2.00000,
1.m4s
`,
    );
    assert.deepEqual(checkPlaylist(window.iframes("480p")!), []);
    assert.equal(window.iframes("240p"), undefined);
    assert.equal(window.iframes("audio-aac"), undefined);
  });

  it("removes nothing from an event playlist", () => {
    const window = makeWindow({ type: "event", windowMs: 4000 });
    for (let sequence = 0; sequence < 50; sequence += 1) window.add(segmentOf(1, sequence));
    assert.equal(linesOf(window.playlist("480p"), "#EXTINF").length, 50);
    assert.match(window.playlist("480p")!, /#EXT-X-PLAYLIST-TYPE:EVENT/);
  });

  it("refuses sequences and epochs that jump out of reach, and bounds segments without duration", () => {
    const window = makeWindow();
    window.add(segmentOf(1, 0));
    assert.throws(() => window.add(segmentOf(1, 2 ** 40)), { code: "WINDOW_SEQUENCE_JUMP" });
    assert.throws(() => window.add(segmentOf(1, 1, { epoch: 2 ** 31 })), { code: "WINDOW_EPOCH_JUMP" });
    for (let sequence = 1; sequence < 1100; sequence += 1) window.add(segmentOf(1, sequence, { durationTicks: 0 }));
    assert.ok(window.held(1).length <= 1001);
  });
});
