import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkDelta, checkReload } from "@leat/node/media/inspect/check-reload.ts";
import type { Finding } from "@leat/node/media/inspect/rules.ts";
import type { LivePart, LiveSegment } from "@leat/node/media/live-segment.ts";
import { LiveWindow } from "@leat/node/media/live-window.ts";
import { allFit, LowLatencyRule, listableParts } from "@leat/node/media/low-latency.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";

const targetTicks = 22_500;
const config = { kind: "video", codec: "h264", timescale: 90_000, width: 64, height: 48 } as VideoConfig;

function partOf(durationTicks: number, independent: boolean): LivePart {
  const facts = { offset: 0, sizeBytes: 10, frames: 1, pixels: 1, startTicks: 0, headSizeBytes: 5 };
  return { ...facts, durationTicks, independent, sha256: `0x${"11".repeat(32)}` };
}

const place = (rung: number, sequence: number, epoch = 0) => {
  return { rung, sequence, epoch, configVersion: 0, wallClockMs: 1_700_000_000_000 + sequence * 2_000 };
};

function segmentOf(rung: number, sequence: number, parts: readonly LivePart[], epoch = 0): LiveSegment {
  const durationTicks = parts.reduce((sum, part) => sum + part.durationTicks, 0);
  const placed = parts.map((part) => ({ ...part, startTicks: sequence * 180_000 }));
  return { ...place(rung, sequence, epoch), frames: parts.length, durationTicks, sizeBytes: 80, parts: placed };
}

function makeWindow(): LiveWindow {
  const window = new LiveWindow();
  window.describe(
    ["240p", "120p"].map((name, at) => {
      return { rung: at + 1, name, kind: "video", codec: "h264", family: "h264", bitrate: 1 } as const;
    }),
  );
  for (const rung of [1, 2]) window.setConfig(rung, 0, config);
  return window;
}

/** Eight parts of seven pictures at 30 a second, and one of four. */
const usual = [partOf(21_000, true), ...Array.from({ length: 7 }, () => partOf(21_000, false)), partOf(12_000, false)];

/** Durations are drawn, and neither whole segments nor dates go by them. */
const ofParts = (findings: readonly Finding[]) =>
  findings.filter(({ rule }) => !/^(date-time|target-duration)/.test(rule));

/** Adds a segment part by part, the last with its end; answers the playlist after each step. */
function grow(window: LiveWindow, sequence: number, parts: readonly LivePart[], epoch = 0): string[] {
  const texts: string[] = [];
  for (const part of parts.slice(0, -1)) {
    window.addPart(place(1, sequence, epoch), part);
    texts.push(window.playlist("240p") ?? "");
  }
  window.add(segmentOf(1, sequence, parts, epoch));
  texts.push(window.playlist("240p")!);
  return texts;
}

const partsOf = (text: string, sequence: number) =>
  text.match(new RegExp(`#EXT-X-PART:.*"${sequence}\\..*`, "g")) ?? [];

describe("low-latency playlists", () => {
  it("lists parts as they come, hints the next one and says how far others are", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    window.add(segmentOf(2, 0, usual));
    window.addPart(place(1, 1), usual[0]!);
    window.addPart(place(1, 1), usual[1]!);
    assert.deepEqual(window.playlist("240p")!.split("\n").slice(6, 22), [
      "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,PART-HOLD-BACK=0.750",
      "#EXT-X-PART-INF:PART-TARGET=0.25000",
      '#EXT-X-MAP:URI="init-0.mp4"',
      "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z",
      '#EXT-X-PART:DURATION=0.23333,URI="0.0.m4s",INDEPENDENT=YES',
      ...Array.from({ length: 7 }, (_, at) => `#EXT-X-PART:DURATION=0.23333,URI="0.${at + 1}.m4s"`),
      '#EXT-X-PART:DURATION=0.13333,URI="0.8.m4s"',
      "#EXTINF:2.00000,",
      "0.m4s",
      "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z",
    ]);
    assert.deepEqual(window.playlist("240p")!.split("\n").slice(22, -1), [
      '#EXT-X-PART:DURATION=0.23333,URI="1.0.m4s",INDEPENDENT=YES',
      '#EXT-X-PART:DURATION=0.23333,URI="1.1.m4s"',
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1.2.m4s"',
      '#EXT-X-RENDITION-REPORT:URI="../120p/index.m3u8",LAST-MSN=0,LAST-PART=8',
    ]);
    assert.match(window.playlist("120p")!, /240p\/index.m3u8",LAST-MSN=1,LAST-PART=1\n$/);
  });

  it("holds the hint across a segment's end, and ends without one", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    assert.match(window.playlist("240p")!, /PRELOAD-HINT:TYPE=PART,URI="1\.0\.m4s"/);
    assert.deepEqual([window.isNextPart("240p", 1, 0), window.isNextPart("240p", 0, 9)], [true, false]);
    window.addPart(place(1, 1), usual[0]!);
    window.end();
    assert.doesNotMatch(window.playlist("240p")!, /PRELOAD-HINT|1\.0\.m4s/);
    assert.equal(window.isNextPart("240p", 1, 1), false);
  });

  it("lists a segment as its parts until the next one has begun, and as whole from then on", () => {
    const window = makeWindow();
    // A playlist has at least one whole segment.
    assert.match(grow(window, 0, usual).at(-1)!, /\n0\.m4s\n/);
    const text = grow(window, 1, usual).at(-1)!;
    assert.match(
      text,
      /\n0\.m4s\n#EXT-X-PROGRAM-DATE-TIME:.*\n(#EXT-X-PART:.*"1\.\d.*\n){9}#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2\.0\.m4s"\n/,
    );
    assert.deepEqual(checkPlaylist(text), []);
    const reached = () => [window.hasReached("240p", 1, 8), window.hasReached("240p", 1, undefined)];
    assert.deepEqual(reached(), [true, false]);
    window.addPart(place(1, 2), usual[0]!);
    assert.match(window.playlist("240p")!, /\n1\.m4s\n.*\n#EXT-X-PART:.*"2\.0/);
    assert.deepEqual(reached(), [true, true]);
    for (const part of usual.slice(1, -1)) window.addPart(place(1, 2), part);
    window.add(segmentOf(1, 2, usual));
    assert.doesNotMatch(window.playlist("240p")!, /\n2\.m4s\n/);
    window.end();
    assert.match(window.playlist("240p")!, /\n2\.m4s\n#EXT-X-ENDLIST\n/);
    assert.equal(window.hasReached("240p", 2, undefined), true);
  });

  it("lists a segment as whole at once where its last part was known, or came with all others", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    for (const part of usual.slice(0, 4)) window.addPart(place(1, 1), part);
    window.add(segmentOf(1, 1, usual.slice(0, 4)));
    assert.match(window.playlist("240p")!, /\n1\.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2\.0\.m4s"\n/);
    window.add(segmentOf(1, 2, usual));
    assert.match(window.playlist("240p")!, /\n2\.m4s\n/);
    assert.equal(window.hasReached("240p", 2, undefined), true);
  });

  it("lists a segment as whole that nothing follows, a second after it was first asked for", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    grow(window, 1, usual);
    const revision = window.revisionOf("240p");
    for (const nowMs of [5_000, 5_999]) window.settle("240p", nowMs);
    assert.equal(window.hasReached("240p", 1, undefined), false);
    assert.equal(window.revisionOf("240p"), revision);
    let told = 0;
    window.onChange(() => (told += 1));
    for (const nowMs of [6_000, 6_001]) window.settle("240p", nowMs);
    assert.deepEqual(
      [told, window.revisionOf("240p"), window.hasReached("240p", 1, undefined)],
      [1, revision + 1, true],
    );
    assert.match(window.playlist("240p")!, /\n1\.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2\.0\.m4s"\n/);
  });

  it("has another text for every rung when one of them ends low latency", () => {
    const window = makeWindow();
    const fiveASecond = Array.from({ length: 10 }, (_, at) => partOf(18_000, at === 0));
    for (const rung of [1, 2]) window.add(segmentOf(rung, 0, usual));
    for (const sequence of [1, 2]) window.add(segmentOf(1, sequence, fiveASecond));
    const [revision, text] = [window.revisionOf("120p"), window.playlist("120p")];
    window.add(segmentOf(1, 3, fiveASecond));
    assert.notEqual(window.playlist("120p"), text);
    assert.ok(window.revisionOf("120p") > revision);
  });

  it("has what a player waits for when the part is there, or the segment behind it", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    const reached = (sequence: number, part?: number) => window.hasReached("240p", sequence, part);
    assert.deepEqual(
      [reached(0), reached(0, 8), reached(0, 9), reached(1), reached(1, 0)],
      [true, true, false, false, false],
    );
    window.addPart(place(1, 1), usual[0]!);
    // One beyond a segment's last part is the next segment's first.
    assert.deepEqual([reached(0, 9), reached(1, 0), reached(1, 1), reached(1)], [true, true, false, false]);
  });

  it("serves plain playlists where the frames cannot make parts, also when they cannot any more", () => {
    const slow = makeWindow();
    const fiveASecond = Array.from({ length: 10 }, (_, at) => partOf(18_000, at === 0));
    grow(slow, 0, fiveASecond);
    assert.doesNotMatch(slow.playlist("240p")!, /PART/);
    assert.equal(slow.hasReached("240p", 0, 3), true);
    const window = makeWindow();
    grow(window, 0, usual);
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      assert.match(window.playlist("240p")!, /PART-INF/);
      grow(window, sequence, fiveASecond);
    }
    assert.doesNotMatch(window.playlist("240p")!, /PART/);
    for (let sequence = 4; sequence <= 9; sequence += 1) grow(window, sequence, usual);
    assert.doesNotMatch(window.playlist("240p")!, /PART/);
  });

  it("lists the parts of a gap as gaps", () => {
    const window = makeWindow();
    for (const rung of [1, 2]) window.add(segmentOf(rung, 0, usual));
    window.add(segmentOf(2, 1, usual));
    for (const rung of [1, 2]) window.add(segmentOf(rung, 2, usual));
    const text = window.playlist("240p")!;
    assert.match(text, /#EXT-X-GAP\n#EXT-X-PART:DURATION=0.23333,URI="1.0.m4s",INDEPENDENT=YES,GAP=YES\n/);
    assert.deepEqual(checkPlaylist(text), []);
  });

  it("lists no parts of a gap that lasts longer than they do", () => {
    const window = makeWindow();
    for (const rung of [1, 2]) window.add(segmentOf(rung, 0, usual));
    window.add(segmentOf(2, 1, usual.slice(0, 4)));
    for (const rung of [1, 2]) window.add(segmentOf(rung, 2, usual));
    const text = window.playlist("240p")!;
    assert.match(text, /#EXT-X-GAP\n#EXTINF:2.00000,\n1.m4s\n/);
    assert.deepEqual(checkPlaylist(text), []);
  });

  it("lists parts of the last target duration alone", () => {
    const window = makeWindow();
    for (let sequence = 0; sequence < 12; sequence += 1) grow(window, sequence, usual);
    const listed = new Set(
      [...window.playlist("240p")!.matchAll(/URI="(\d+)\.\d+\.m4s"/g)].map(([, number]) => Number(number)),
    );
    assert.deepEqual([...listed], [10, 11, 12]);
  });

  it("breaks no rule at any step, nor between one load and the next, for any parts", () => {
    const anyPart = fc.record({ durationTicks: fc.integer({ min: 3_000, max: 30_000 }), independent: fc.boolean() });
    const fitting = fc
      .integer({ min: 19_200, max: 22_500 })
      .map((durationTicks) => ({ durationTicks, independent: false }));
    const parts = fc.array(fc.oneof({ weight: 20, arbitrary: fitting }, anyPart), { minLength: 8, maxLength: 14 });
    fc.assert(
      fc.property(fc.array(fc.tuple(parts, fc.boolean()), { minLength: 2, maxLength: 20 }), (segments) => {
        const window = makeWindow();
        let epoch = 0;
        let before: string | undefined;
        let isLow: boolean | undefined;
        let isFit = true;
        // A whole segment has all its parts, whatever their length.
        const broken = (findings: readonly Finding[]) =>
          ofParts(findings).filter(({ rule }) => isFit || !/^part-too-/.test(rule));
        for (const [sequence, [list, breaks]] of segments.entries()) {
          epoch += breaks ? 1 : 0;
          const made = list.map((part, at) => partOf(part.durationTicks, at === 0 || part.independent));
          isFit &&= allFit(made, targetTicks);
          for (const text of grow(window, sequence, made, epoch)) {
            if (text === "") continue;
            const wasLow = isLow;
            isLow = text.includes("PART-INF");
            assert.deepEqual(broken(checkPlaylist(text)), [], text);
            if (before !== undefined && wasLow === isLow && wasLow === true) {
              assert.deepEqual(broken(checkReload(before, text)), [], `${before}\n---\n${text}`);
            }
            if (wasLow === isLow)
              for (const part of partsOf(before ?? "", sequence)) assert.ok(text.includes(part), text);
            before = text;
          }
          const delta = window.playlist("240p", { skip: true })!;
          assert.deepEqual(broken(checkDelta(before!, delta, window.playlist("240p")!)), []);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("hints at nothing behind a part that cannot be listed, and keeps what was", () => {
    const window = makeWindow();
    grow(window, 0, usual);
    for (const part of [usual[0]!, partOf(9_000, false), usual[1]!]) window.addPart(place(1, 1), part);
    const text = window.playlist("240p")!;
    assert.match(text, /URI="1\.0\.m4s"/);
    assert.doesNotMatch(text, /"1\.[123]\.m4s"/);
    window.add(segmentOf(1, 1, [usual[0]!, partOf(9_000, false), usual[1]!, usual[2]!]));
    // A player that plays by parts gets no other way to the rest.
    const listed = [...window.playlist("240p")!.matchAll(/PART:.*"1\.(\d)\.m4s"/g)].map(([, part]) => Number(part));
    assert.deepEqual(listed, [0, 1, 2, 3]);
    assert.match(window.playlist("240p")!, /PRELOAD-HINT:TYPE=PART,URI="2\.0\.m4s"/);
  });

  it("knows which parts may be listed", () => {
    const [fits, short, long] = [partOf(21_000, false), partOf(19_000, false), partOf(22_501, true)];
    const list = (parts: LivePart[], isWhole: boolean) => listableParts(parts, targetTicks, isWhole).length;
    assert.deepEqual([list([fits, short], true), list([fits, short], false)], [2, 1]);
    assert.deepEqual(
      [list([fits, short, fits], true), list([fits, { ...short, independent: true }, fits], true)],
      [3, 3],
    );
    assert.deepEqual([list([fits, long], true), list([fits, long], false)], [2, 1]);
    assert.deepEqual([list([long, fits], true), list([long, fits], false)], [2, 0]);
    assert.deepEqual([allFit([fits, short], targetTicks), allFit([fits, short, fits], targetTicks)], [true, false]);
  });

  it("goes by the first segment, and then by three in a row of one rung", () => {
    const rule = new LowLatencyRule();
    assert.equal(rule.isOn, false);
    rule.closed(1, true);
    for (const rung of [1, 2, 1, 2]) rule.closed(rung, false);
    rule.closed(1, true);
    rule.closed(1, false);
    assert.equal(rule.isOn, true);
    rule.closed(2, false);
    assert.equal(rule.isOn, false);
    rule.closed(2, true);
    assert.equal(rule.isOn, false);
  });
});
