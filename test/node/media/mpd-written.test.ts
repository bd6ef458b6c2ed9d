import assert from "node:assert/strict";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

const video: RenditionInfo = {
  rung: 1,
  name: "240p",
  kind: "video",
  codec: "h264",
  family: "h264",
  width: 426,
  height: 240,
  bitrate: 300_000,
};
const audio: RenditionInfo = { rung: 100, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 96_000 };
const scales: Readonly<Record<number, number>> = { 1: 90_000, 100: 48_000 };
const wall = Date.parse("2026-01-01T00:00:00Z");

function configOf({ kind }: RenditionInfo): TrackConfig {
  const common = { description: new Uint8Array(), codecString: "x" };
  return kind === "video"
    ? { ...common, kind, codec: "h264", timescale: 90_000, width: 426, height: 240 }
    : { ...common, kind, codec: "aac", timescale: 48_000, sampleRate: 48_000, channels: 2 };
}

interface Place {
  readonly epoch?: number;
  readonly version?: number;
  /** When it starts on its epoch's clock. */
  readonly atS?: number;
}

describe("mpd of segments that are being written", () => {
  let window: LiveWindow;

  beforeEach(() => {
    window = new LiveWindow();
    window.describe([video, audio]);
    for (const info of [video, audio]) window.setConfig(info.rung, 0, configOf(info));
  });

  const placeOf = (rung: number, sequence: number, { epoch = 0, version: configVersion = 0 }: Place) => {
    return { rung, sequence, epoch, configVersion, wallClockMs: wall + 2_003 * sequence };
  };
  function partOf(rung: number, index: number, atS: number) {
    const durationTicks = 0.25 * scales[rung]!;
    const startTicks = atS * scales[rung]! + index * durationTicks;
    const facts = { frames: 7, pixels: 1, headSizeBytes: 9, sizeBytes: 1_000, sha256: "0x" as const };
    return { ...facts, offset: index * 1_000, startTicks, durationTicks, independent: index === 0 };
  }
  /** Its first so many parts. */
  function write(rung: number, sequence: number, parts: number, place: Place = {}): void {
    const atS = place.atS ?? 1 + 2 * sequence;
    for (let index = 0; index < parts; index += 1) {
      window.addPart(placeOf(rung, sequence, place), partOf(rung, index, atS));
    }
  }
  function close(rung: number, sequence: number, parts: number, place: Place = {}): void {
    const atS = place.atS ?? 1 + 2 * sequence;
    const all = Array.from({ length: parts }, (_, index) => partOf(rung, index, atS));
    const durationTicks = parts * 0.25 * scales[rung]!;
    window.add({
      ...placeOf(rung, sequence, place),
      frames: 7 * parts,
      sizeBytes: 1_000 * parts,
      durationTicks,
      parts: all,
    });
  }
  function closeBoth(sequence: number, place?: Place): void {
    for (const rung of [1, 100]) close(rung, sequence, 8, place);
  }

  const all = (pattern: RegExp) => [...window.mpd()!.matchAll(pattern)].map(([, ...found]) => found.join(" "));
  const listed = (name: string) => {
    const found = [...window.mpd()!.matchAll(/<Representation id="([^"]+)".*?<\/Representation>/gs)];
    return found.flatMap(([text, id]) =>
      id === name ? [...text.matchAll(/<S t="(\d+)" d="(\d+)"/g)].map(([, t, d]) => `${t} ${d}`) : [],
    );
  };

  it("names a segment with its first part, and how early that is", () => {
    closeBoth(0);
    assert.deepEqual(listed("240p"), ["90000 180000"]);
    const { revision } = window;
    write(1, 1, 1);
    assert.notEqual(window.revision, revision);
    assert.deepEqual(listed("240p"), ["90000 180000", "270000 180000"]);
    assert.deepEqual(listed("audio-aac"), ["48000 96000"]);
    assert.deepEqual(all(/<SegmentTemplate timescale="(\d+)".*(availabilityTimeOffset="\S+" \S+")/g), [
      '90000 availabilityTimeOffset="1.750" availabilityTimeComplete="false"',
      '48000 availabilityTimeOffset="1.750" availabilityTimeComplete="false"',
    ]);
    assert.deepEqual(window.openAt("240p", 0, 270_000)?.sequence, 1);
    for (const [epoch, ticks] of [
      [0, 90_000],
      [1, 270_000],
      [0, 270_001],
    ] as const) {
      assert.equal(window.openAt("240p", epoch, ticks), undefined);
    }
  });

  it("is the same manifest for all while a segment goes on, and tells how much of it was there at first", () => {
    closeBoth(0);
    write(1, 1, 1);
    const { revision } = window;
    const text = window.mpd();
    assert.match(text!, /publishTime="2026-01-01T00:00:02\.250Z"/);
    write(1, 1, 7);
    assert.equal(window.revision, revision);
    assert.equal(window.mpd(), text);
    close(1, 1, 8);
    assert.match(window.mpd()!, /publishTime="2026-01-01T00:00:04\.000Z"/);
    assert.equal(window.openAt("240p", 0, 270_000), undefined);
    assert.equal(window.isOpen("240p", 1), false);
  });

  it("holds players three seconds behind the clock of who took the stream in", () => {
    closeBoth(0);
    write(1, 1, 1);
    const text = window.mpd()!;
    assert.match(
      text,
      / minimumUpdatePeriod="PT1S" timeShiftBufferDepth="PT60\.000S" suggestedPresentationDelay="PT3S" /,
    );
    assert.match(
      text,
      /<Latency target="3000" min="2000" max="20000" referenceId="1"\/><PlaybackRate min="0\.96" max=/,
    );
    const clock = '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="time"/>';
    const reference = (id: number, at: string, ticks: number) =>
      `<ProducerReferenceTime id="${id}" type="encoder" wallClockTime="2026-01-01T00:00:${at}Z" presentationTime="${ticks}">${clock}</ProducerReferenceTime>`;
    // Both go by the newest segment that they have, though the publisher's clock and the node's are not equally fast.
    assert.deepEqual(
      [...text.matchAll(/^<Producer.*$/gm)].map(([line]) => line),
      [reference(1, "02.003", 270_000), reference(5, "00.000", 48_000)],
    );
    assert.equal(text.split("\n").at(-3), clock);
  });

  it("expects of a segment what those before it lasted, and never so much that one is passed over", () => {
    closeBoth(0);
    close(1, 1, 9);
    write(1, 2, 1, { atS: 5.25 });
    // Until the next one is there the longest counts.
    assert.deepEqual(listed("240p"), ["90000 180000", "270000 202500", "472500 202500"]);
    close(1, 2, 16, { atS: 5.25 });
    write(1, 3, 1, { atS: 9.25 });
    assert.deepEqual(listed("240p").at(-1), "832500 315000");
    assert.match(window.mpd()!, /timescale="90000".*availabilityTimeOffset="3\.250"/);
  });

  it("begins a period with a segment that is being written once all rungs are in it", () => {
    closeBoth(0);
    const next = { epoch: 1, atS: 11 };
    write(100, 1, 1, next);
    assert.deepEqual(all(/<Period id="([^"]*)"/g), ["0-0"]);
    write(1, 1, 1, next);
    assert.deepEqual(all(/<Period id="([^"]*)" start="([^"]*)"/g), ["0-0 PT0.000S", "1-0 PT2.003S"]);
    assert.deepEqual(listed("240p"), ["90000 180000", "990000 180000"]);
    for (const rung of [1, 100]) close(rung, 1, 8, next);
    assert.deepEqual(all(/<Period id="([^"]*)" start="([^"]*)"/g), ["0-0 PT0.000S", "1-0 PT2.003S"]);
  });

  it("goes on in a period with the rungs that are ahead", () => {
    closeBoth(0);
    closeBoth(1);
    close(1, 2, 8);
    write(1, 3, 1);
    write(100, 2, 1);
    assert.deepEqual(all(/<Period id="([^"]*)"/g), ["0-0"]);
    assert.deepEqual([listed("240p").length, listed("audio-aac").length], [4, 3]);
  });

  it("offers whole segments alone where parts are not served, and when the stream is over", () => {
    write(1, 0, 1);
    assert.equal(window.mpd(), undefined);
    // A part that lasts as long as its segment.
    for (const { rung } of [video, audio]) {
      const part = { ...partOf(rung, 0, 1), durationTicks: 2 * scales[rung]! };
      window.add({
        ...placeOf(rung, 0, {}),
        frames: 7,
        sizeBytes: 1_000,
        durationTicks: part.durationTicks,
        parts: [part],
      });
    }
    write(1, 1, 1);
    const early = /availabilityTime|ProducerReferenceTime|referenceId|PT1S/;
    assert.deepEqual(listed("240p"), ["90000 180000"]);
    assert.doesNotMatch(window.mpd()!, early);
    assert.match(window.mpd()!, /suggestedPresentationDelay="PT10S"/);
    window = new LiveWindow();
    window.describe([video]);
    window.setConfig(1, 0, configOf(video));
    close(1, 0, 8);
    write(1, 1, 1);
    assert.match(window.mpd()!, early);
    window.end();
    assert.doesNotMatch(window.mpd()!, early);
    assert.equal(window.openAt("240p", 0, 270_000), undefined);
  });
});
