import assert from "node:assert/strict";
import { CueList } from "@leat/node/media/cue-list.ts";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { writeMediaPlaylist } from "@leat/node/media/playlist.ts";
import { cancelSplice, type SegmentFacts, writeSignal, writeSplice } from "../../support/splices.ts";

const out = (eventId: number, seconds?: number) =>
  writeSplice({
    eventId,
    isOut: true,
    ticks: 0,
    ...(seconds === undefined ? {} : { durationTicks: seconds * 90_000 }),
  });
const back = (eventId: number, ticks = 0) => writeSplice({ eventId, isOut: false, ticks });
/** Nothing leaves the programme at it. */
const signal = writeSignal(0);
const segment = (facts: SegmentFacts) => writeSignal(0, [facts]);
const start = 1_700_000_000_000;
const at = (seconds: number) => start + seconds * 1000;

describe("cues of a stream", () => {
  it("are a range for each break, which its end closes, and one for anything else, each once", () => {
    const cues = new CueList();
    const opening = { atMs: at(10), command: out(7, 30) };
    assert.equal(cues.note([opening]), true);
    assert.equal(cues.note([opening]), false);
    const [open] = cues.list(start);
    assert.deepEqual(open, {
      id: "splice-7-1700000010",
      event: { number: 7 },
      startMs: at(10),
      plannedS: 30,
      commands: { "SCTE35-OUT": opening.command },
    });
    const closing = { atMs: at(39.5), command: back(7) };
    assert.equal(cues.note([opening, closing]), true);
    assert.equal(cues.note([opening, closing, { atMs: at(39.6), command: back(7, 9) }]), false);
    assert.deepEqual(cues.list(start), [
      { ...open, endMs: at(39.5), commands: { "SCTE35-OUT": opening.command, "SCTE35-IN": closing.command } },
    ]);
    const others = [
      { atMs: at(5), command: signal },
      { atMs: at(20), command: back(8) },
    ];
    assert.equal(cues.note(others), true);
    assert.deepEqual(
      cues.list(start).map(({ id, commands }) => [id.split("-")[0], Object.keys(commands)]),
      [
        ["cue", ["SCTE35-CMD"]],
        ["splice", ["SCTE35-OUT", "SCTE35-IN"]],
        ["cue", ["SCTE35-CMD"]],
      ],
    );
  });

  it("may use the number of a break again, or the same command", () => {
    const cues = new CueList();
    cues.note([
      { atMs: at(10), command: out(1) },
      { atMs: at(40), command: back(1) },
    ]);
    cues.note([{ atMs: at(100), command: out(1, 30) }]);
    cues.note([{ atMs: at(130), command: back(1, 5) }]);
    for (const seconds of [50, 140]) cues.note([{ atMs: at(seconds), command: signal }]);
    assert.deepEqual(
      cues.list(start).map(({ startMs, endMs }) => [startMs, endMs]),
      [
        [at(10), at(40)],
        [at(50), undefined],
        [at(100), at(130)],
        [at(140), undefined],
      ],
    );
  });

  it("are listed while they reach into the playlist, and bounded in number", () => {
    const cues = new CueList();
    cues.note([
      { atMs: at(0), command: out(1, 30) },
      { atMs: at(0), command: signal },
    ]);
    assert.deepEqual(
      [0, 1, 30, 31].map((seconds) => cues.list(at(seconds)).length),
      [2, 1, 1, 0],
    );
    for (let event = 2; event < 100; event += 1) cues.note([{ atMs: at(event), command: out(event) }]);
    assert.equal(cues.list(start).length, 64);
  });

  it("are listed while a break of unknown length is not told over, and no other began", () => {
    const startsOf = (cues: CueList, seconds: number) => cues.list(at(seconds)).map(({ startMs }) => startMs);
    const cues = new CueList();
    cues.note([{ atMs: at(0), command: out(1) }]);
    assert.deepEqual(startsOf(cues, 600), [at(0)]);
    cues.note([
      { atMs: at(700), command: signal },
      { atMs: at(800), command: out(2) },
    ]);
    assert.deepEqual(startsOf(cues, 800), [at(0), at(800)]);
    assert.deepEqual(startsOf(cues, 801), [at(800)]);
    cues.note([{ atMs: at(900), command: back(2) }]);
    assert.deepEqual(startsOf(cues, 901), []);
    cues.note([{ atMs: at(1_000), command: out(3) }]);
    for (let event = 100; event < 200; event += 1) cues.note([{ atMs: at(event + 1_000), command: out(event, 1) }]);
    cues.note([{ atMs: at(1_300), command: back(3) }]);
    const [long] = cues.list(at(1_299));
    assert.deepEqual([long?.startMs, long?.endMs], [at(1_000), at(1_300)]);
  });

  it("are over where a break of unknown length is cancelled", () => {
    const cues = new CueList();
    cues.note([{ atMs: at(0), command: out(1) }]);
    cues.note([{ atMs: at(5), command: cancelSplice(1) }]);
    assert.deepEqual(
      cues.list(at(5)).map(({ commands }) => Object.keys(commands)),
      [["SCTE35-OUT"], ["SCTE35-CMD"]],
    );
    assert.deepEqual(cues.list(at(6)), []);
  });

  it("do not end a later break of the same number where the cancellation of the one before is told again", () => {
    const cues = new CueList();
    cues.note([{ atMs: at(0), command: out(7) }]);
    const cancelled = { atMs: at(30), command: cancelSplice(7) };
    cues.note([cancelled]);
    cues.note([cancelled, { atMs: at(35), command: out(7) }]);
    assert.equal(cues.note([cancelled]), false);
    assert.deepEqual(
      cues.list(at(36)).map(({ startMs, endMs }) => [startMs, endMs]),
      [[at(35), undefined]],
    );
  });

  it("of segments are a range for each kind and number, within one another, of one command too", () => {
    const cues = new CueList();
    const [pod, last] = [0x22, 0x30].map((type) => ({ number: 1, type, durationTicks: 60 * 90_000 }));
    const both = writeSignal(0, [pod!, last!]);
    cues.note([{ atMs: at(0), command: both }]);
    assert.equal(cues.note([{ atMs: at(1), command: segment(pod!) }]), false);
    const ended = segment({ number: 1, type: 0x31 });
    cues.note([{ atMs: at(30), command: ended }]);
    assert.deepEqual(
      cues.list(start).map(({ id, endMs, plannedS, commands }) => ({ id, endMs, plannedS, commands })),
      [
        { id: "segment-34-1-1700000000", endMs: undefined, plannedS: 60, commands: { "SCTE35-OUT": both } },
        {
          id: "segment-48-1-1700000000",
          endMs: at(30),
          plannedS: 60,
          commands: { "SCTE35-OUT": both, "SCTE35-IN": ended },
        },
      ],
    );
  });

  it("of segments of unknown length end with the next of their kind, or are cancelled by their number", () => {
    const cues = new CueList();
    cues.note([
      { atMs: at(0), command: segment({ number: 1, type: 0x34 }) },
      { atMs: at(0), command: segment({ number: 7, type: 0x22 }) },
      { atMs: at(0), command: out(7) },
      { atMs: at(20), command: segment({ number: 2, type: 0x34 }) },
    ]);
    const idsAt = (seconds: number) => cues.list(at(seconds)).map(({ id }) => id.split("-").slice(0, -1).join("-"));
    assert.deepEqual(idsAt(21), ["segment-34-7", "splice-7", "segment-52-2"]);
    cues.note([{ atMs: at(30), command: segment({ number: 7, type: 0, isCancelled: true }) }]);
    assert.deepEqual(idsAt(31), ["splice-7", "segment-52-2"]);
    // All kinds of that number, those too whose length is known.
    cues.note([
      { atMs: at(40), command: segment({ number: 2, type: 0x30, durationTicks: 60 * 90_000 }) },
      { atMs: at(50), command: segment({ number: 2, type: 0, isCancelled: true }) },
    ]);
    assert.deepEqual(idsAt(51), ["splice-7"]);
  });

  it("that cannot be read are none", () => {
    const cues = new CueList();
    assert.equal(cues.note([{ atMs: start, command: Uint8Array.of(0xfc, 1, 2) }]), false);
  });

  it("stand in a playlist as the standard has them", () => {
    const cues = new CueList();
    cues.note([
      { atMs: at(1), command: out(7, 2.5) },
      { atMs: at(3), command: back(7) },
    ]);
    const listed = { sequence: 0, epoch: 0, configVersion: 0, wallClockMs: start, durationS: 4, gap: false };
    const facts = { targetDurationS: 4, type: "live", ended: false } as const;
    const text = writeMediaPlaylist({ ...facts, segments: [listed], ranges: cues.list(start) });
    assert.deepEqual(checkPlaylist(text), []);
    const hex = (bytes: Uint8Array) => `0x${Buffer.from(bytes).toString("hex").toUpperCase()}`;
    assert.ok(
      text.includes(
        `#EXT-X-DATERANGE:ID="splice-7-1700000001",START-DATE="2023-11-14T22:13:21.000Z",END-DATE="2023-11-14T22:13:23.000Z",PLANNED-DURATION=2.500,SCTE35-OUT=${hex(out(7, 2.5))},SCTE35-IN=${hex(back(7))}\n`,
      ),
      text,
    );
  });
});
