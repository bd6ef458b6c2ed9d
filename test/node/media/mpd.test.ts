import assert from "node:assert/strict";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { writeSignal, writeSplice } from "../../support/splices.ts";

const renditions: RenditionInfo[] = [
  { rung: 1, name: "480p", kind: "video", codec: "h264", family: "h264", width: 854, height: 480, bitrate: 1_000_000 },
  { rung: 2, name: "240p", kind: "video", codec: "h264", family: "h264", width: 426, height: 240, bitrate: 300_000 },
  { rung: 3, name: "360p-vp9", kind: "video", codec: "vp9", family: "vp9", width: 640, height: 360, bitrate: 500_000 },
  { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 },
  { rung: 101, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 64_000 },
];
const wall = Date.parse("2026-01-01T00:00:00Z");

function configOf({ kind, codec, width, height }: RenditionInfo): TrackConfig {
  const description = new Uint8Array();
  if (kind === "video") {
    const codecString = codec === "vp9" ? "vp09.00.10.08" : "avc1.64001f";
    return { kind, codec: "h264", timescale: 90_000, width: width!, height: height!, description, codecString };
  }
  const codecString = codec === "aac" ? "mp4a.40.2" : "opus";
  return { kind, codec: "aac", timescale: 48_000, sampleRate: 48_000, channels: 2, description, codecString };
}

interface Place {
  readonly epoch?: number;
  readonly version?: number;
  /** Which segment of its epoch it is. */
  readonly at?: number;
  readonly lack?: readonly number[];
}

describe("mpd", () => {
  let window: LiveWindow;

  beforeEach(() => {
    window = new LiveWindow({ windowMs: 20_000 });
    window.describe(renditions);
    for (const info of renditions) window.setConfig(info.rung, 0, configOf(info));
  });

  /** A segment of two seconds of every rung; an epoch's clock begins at one second. */
  function add(sequence: number, { epoch = 0, version = 0, at = sequence, lack = [] }: Place = {}): void {
    for (const { rung, kind } of renditions) {
      if (lack.includes(rung)) continue;
      const timescale = kind === "video" ? 90_000 : 48_000;
      // Sound begins a little before or after the picture.
      const startTicks = (1 + 2 * at) * timescale + (kind === "video" ? 0 : 100);
      const facts = { frames: 60, durationTicks: 2 * timescale, sizeBytes: 250_000 };
      const part = {
        ...facts,
        offset: 0,
        pixels: 0,
        startTicks,
        independent: true,
        headSizeBytes: 9,
        sha256: "0x",
      } as const;
      const configVersion = rung === 1 ? version : 0;
      window.add({
        ...facts,
        rung,
        sequence,
        epoch,
        configVersion,
        wallClockMs: wall + 2000 * sequence,
        parts: [part],
      });
    }
  }

  const all = (pattern: RegExp) => [...window.mpd()!.matchAll(pattern)].map(([, ...found]) => found.join(" "));
  const periods = () => all(/<Period id="([^"]*)" start="([^"]*)">/g);
  const starts = (name: string) => {
    const rungs = [...window.mpd()!.matchAll(/<Representation id="([^"]+)".*?<\/Representation>/gs)];
    return rungs.flatMap(([text, id]) =>
      id === name ? [...text.matchAll(/<S t="(\d+)"/g)].map(([, t]) => Number(t)) : [],
    );
  };

  it("lists what HLS lists: a set for each codec, with the clock that it is measured by", () => {
    assert.equal(window.mpd(), undefined);
    add(0);
    add(1);
    const text = window.mpd()!;
    const lines = text.split("\n");
    assert.equal(lines[0], '<?xml version="1.0" encoding="utf-8"?>');
    assert.match(lines[1]!, / type="dynamic" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT20\.000S" /);
    assert.match(
      lines[1]!,
      / publishTime="2026-01-01T00:00:04\.002Z" availabilityStartTime="2026-01-01T00:00:00\.000Z" /,
    );
    assert.equal(lines.at(-3), '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="time"/>');
    assert.deepEqual(periods(), ["0-0 PT0.000S"]);
    assert.deepEqual(all(/<AdaptationSet id="(\d)" contentType="(\w+)"/g), [
      "1 video",
      "3 video",
      "5 audio",
      "6 audio",
    ]);
    assert.deepEqual(all(/<Representation id="([^"]*)".*codecs="([^"]*)"/g), [
      "480p avc1.64001f",
      "240p avc1.64001f",
      "360p-vp9 vp09.00.10.08",
      "audio-aac mp4a.40.2",
      "audio-opus opus",
    ]);
    const at = lines.findIndex((line) => line.startsWith('<Representation id="240p"'));
    assert.deepEqual(lines.slice(at, at + 6), [
      '<Representation id="240p" bandwidth="1000000" codecs="avc1.64001f" width="426" height="240" frameRate="30000/1000">',
      '<SegmentTemplate timescale="90000" presentationTimeOffset="90000" initialization="240p/init-0.mp4" media="240p/0-$Time$.m4s"><SegmentTimeline>',
      '<S t="90000" d="180000"/>',
      '<S t="270000" d="180000"/>',
      "</SegmentTimeline></SegmentTemplate>",
      "</Representation>",
    ]);
    const named = '<InbandEventStream schemeIdUri="https://aomedia.org/emsg/ID3" value=""/>';
    assert.deepEqual(
      lines.flatMap((line, index) => (line === named ? [lines[index - 1]!.slice(0, 39)] : [])),
      ['<AdaptationSet id="5" contentType="audio', '<AdaptationSet id="6" contentType="audio'].map((line) =>
        line.slice(0, 39),
      ),
    );
    assert.equal(window.segmentAt("240p", 0, 270_000)!.sequence, 1);
    assert.equal(window.segmentAt("240p", 1, 270_000), undefined);
  });

  it("names timed metadata in pictures where no sound carries it", () => {
    const seen = renditions.filter(({ kind }) => kind === "video");
    window = new LiveWindow({ windowMs: 20_000 });
    window.describe(seen);
    for (const info of seen) window.setConfig(info.rung, 0, configOf(info));
    add(0, { lack: [100, 101] });
    const named = /<AdaptationSet id="(\d)" [^>]*>\n<InbandEventStream schemeIdUri="([^"]*)"/g;
    assert.deepEqual(
      all(named),
      [1, 3].map((id) => `${id} https://aomedia.org/emsg/ID3`),
    );
  });

  it("keeps a period's start while its segments leave, and counts the wall clock from it", () => {
    for (let sequence = 0; sequence < 30; sequence += 1) {
      add(sequence);
      assert.deepEqual(periods(), ["0-0 PT0.000S"]);
    }
    assert.deepEqual(
      starts("480p"),
      Array.from({ length: 10 }, (_, index) => (1 + 2 * (20 + index)) * 90_000),
    );
    assert.deepEqual(new Set(all(/timescale="90000" presentationTimeOffset="(\d+)"/g)), new Set(["90000"]));
  });

  it("begins a period with an epoch and with a configuration, on the wall clock of each", () => {
    for (const sequence of [0, 1, 2]) add(sequence);
    window.setConfig(1, 1, configOf(renditions[0]!));
    for (const sequence of [3, 4]) add(sequence, { version: 1 });
    for (const sequence of [7, 8]) add(sequence, { version: 1, epoch: 1, at: sequence - 7 });
    assert.deepEqual(periods(), ["0-0 PT0.000S", "0-1 PT6.000S", "1-1 PT14.000S"]);
    assert.deepEqual(all(/initialization="480p\/(init-\d).*media="480p\/(\d)-/g), ["init-0 0", "init-1 0", "init-1 1"]);
    assert.deepEqual(all(/id="480p".*\n.*presentationTimeOffset="(\d+)"/g), ["90000", "630000", "90000"]);
    assert.deepEqual(starts("480p"), [90_000, 270_000, 450_000, 630_000, 810_000, 90_000, 270_000]);
  });

  it("leaves a hole where a rung lacks a segment, in that rung alone", () => {
    for (let sequence = 0; sequence < 5; sequence += 1) add(sequence, sequence === 2 ? { lack: [3] } : {});
    assert.deepEqual(starts("360p-vp9"), [90_000, 270_000, 630_000, 810_000]);
    assert.match(window.mpd()!, /<S t="270000" d="180000"\/>\n<S t="630000"/);
    assert.equal(starts("480p").length, 5);
  });

  it("is static once the stream is over, on the same clock", () => {
    for (let sequence = 0; sequence < 15; sequence += 1) {
      add(sequence);
      window.mpd();
    }
    window.end();
    const text = window.mpd()!;
    assert.match(text, /<MPD [^>]*type="static" mediaPresentationDuration="PT30\.00\dS"/);
    assert.doesNotMatch(text, /minimumUpdatePeriod|UTCTiming|ServiceDescription/);
    assert.deepEqual(periods(), ["0-0 PT0.000S"]);
  });

  it("lists the sound of a stream that has no picture", () => {
    window.describe(renditions.filter(({ kind }) => kind === "audio"));
    add(0);
    assert.deepEqual(all(/<AdaptationSet id="(\d)" contentType="(\w+)"/g), ["5 audio"]);
  });

  it("closes every element that it opens", () => {
    add(0);
    add(1, { epoch: 1, at: 0 });
    const open: string[] = [];
    for (const [, slash, name, empty] of window.mpd()!.matchAll(/<(\/?)([A-Za-z]+)(?:\s[^>]*?)?(\/?)>/g)) {
      if (slash === "/") assert.equal(open.pop(), name);
      else if (empty !== "/") open.push(name!);
    }
    assert.deepEqual(open, []);
  });

  it("has splice commands as events of the period in which they happen", () => {
    for (const sequence of [0, 1]) add(sequence);
    for (const sequence of [2, 3]) add(sequence, { epoch: 1, at: sequence - 2 });
    const leave = writeSplice({ eventId: 3, isOut: true, ticks: 0, durationTicks: 4 * 90_000 });
    const enter = writeSplice({ eventId: 3, isOut: false, ticks: 0 });
    // One command, and one event, with which two ranges begin.
    const both = writeSignal(0, [
      { number: 1, type: 0x22 },
      { number: 1, type: 0x30 },
    ]);
    const { revision } = window;
    window.noteCues([
      { atMs: wall + 1_000, command: leave },
      { atMs: wall + 5_000, command: enter },
      // Ahead of all that is there.
      { atMs: wall + 60_000, command: both },
    ]);
    assert.notEqual(window.revision, revision);
    const streams = [...window.mpd()!.matchAll(/<Period id="([^"]*)"[^>]*>\n(<EventStream.*?<\/EventStream>)/gs)];
    const head = '<EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="1000">';
    const event = (facts: string, command: Uint8Array) => {
      const binary = Buffer.from(command).toString("base64");
      const id = Buffer.from(command).readUInt32BE(command.length - 4);
      return `<Event id="${id}" ${facts}><Signal xmlns="http://www.scte.org/schemas/35/2016"><Binary>${binary}</Binary></Signal></Event>`;
    };
    assert.deepEqual(
      streams.map(([, id, text]) => [id, text!.split("\n")]),
      [
        ["0-0", [head, event('presentationTime="1000" duration="4000"', leave), "</EventStream>"]],
        [
          "1-0",
          [head, event('presentationTime="1000"', enter), event('presentationTime="56000"', both), "</EventStream>"],
        ],
      ],
    );
  });

  /** Of each period and set, whether it is said to have captions. */
  const captioned = () =>
    [...window.mpd()!.matchAll(/<Period id="([^"]*)".*?<\/Period>/gs)].map(([text, id]) => [
      id,
      ...[...text.matchAll(/<AdaptationSet id="(\d)"[^>]*>\n<Accessibility schemeIdUri="([^"]*)"\/>/g)].map(
        ([, set, scheme]) => `${set} ${scheme}`,
      ),
    ]);
  const cea608 = "1 urn:scte:dash:cc:cea-608:2015";

  it("names captions that come with the first segment, of their codec alone", () => {
    window.noteCaptions(1, 0);
    window.noteCaptions(2, 0);
    for (const sequence of [0, 1]) add(sequence);
    assert.deepEqual(captioned(), [["0-0-captions", cea608]]);
  });

  it("names captions of a segment that no manifest named yet, whatever rung was ahead", () => {
    const { rung } = renditions[3]!;
    add(0, { lack: renditions.map((info) => info.rung).filter((other) => other !== rung) });
    window.noteCaptions(1, 0);
    add(0, { lack: [rung] });
    assert.deepEqual(captioned(), [["0-0-captions", cea608]]);
  });

  it("changes nothing of what it said where another rung is ahead of the one with captions", () => {
    add(0);
    for (const sequence of [1, 2]) add(sequence, { lack: [1, 2, 3] });
    assert.deepEqual(captioned(), [["0-0"]]);
    window.noteCaptions(1, 1);
    for (const sequence of [1, 2]) add(sequence, { lack: [100, 101] });
    assert.deepEqual(captioned(), [["0-0"]]);
    add(3);
    assert.deepEqual(captioned(), [["0-0"], ["0-0-captions", cea608]]);
  });

  it("names captions that come later in a period of their own, and never changes what it said of one", () => {
    for (const sequence of [0, 1]) add(sequence);
    assert.deepEqual(captioned(), [["0-0"]]);
    const { revision } = window;
    window.noteCaptions(2, 1);
    assert.notEqual(window.revision, revision);
    assert.deepEqual(captioned(), [["0-0"]]);
    for (const sequence of [2, 3, 4]) {
      window.noteCaptions(2, sequence);
      add(sequence);
    }
    assert.deepEqual(captioned(), [["0-0"], ["0-0-captions", cea608]]);
    assert.deepEqual(periods(), ["0-0 PT0.000S", "0-0-captions PT4.000S"]);
    // Too late for this period; in the next one it is named.
    window.noteCaptions(3, 4);
    add(5);
    assert.deepEqual(captioned()[1], ["0-0-captions", cea608]);
    add(6, { epoch: 1, at: 0 });
    assert.deepEqual(captioned()[2], ["1-0-captions", cea608, cea608.replace("1", "3")]);
  });
});
