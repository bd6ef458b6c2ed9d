import assert from "node:assert/strict";
import { SoundGroup } from "@leat/node/services/ingest/sound-group.ts";
import { type Boundary, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AAC_RUNG } from "@leat/sdk/protocol/stream.ts";
import { describeAudio } from "@leat/transcoder/audio-packet.ts";

const RATE = 48_000;
const PACKET = 1_024;
const LOUD_BYTES = 300;

describe("ingest/a group of sound", () => {
  let group: SoundGroup;
  let segments: Map<number, Frame[]>;
  let ended: number[];

  beforeEach(() => {
    segments = new Map();
    ended = [];
    const log = {
      open: ({ sequence }: { sequence: number }) => void segments.set(sequence, []),
      push: (_: number, frame: Frame) => {
        segments.get([...segments.keys()].at(-1)!)!.push(frame);
        return undefined;
      },
      end: () => undefined,
    };
    group = new SoundGroup(AAC_RUNG, "aac", { log, onSegment: (_, sequence) => void ended.push(sequence) });
    group.setSource(describeAudio("aac", 2, Uint8Array.of(0x11, 0x90)));
  });

  const begin = (sequence: number, epoch: number, startS: number) => {
    const place = { sequence, epoch, pts: startS * VIDEO_TIMESCALE };
    const boundary: Boundary = { ...place, forced: false, discontinuity: false, firstFrame: 0 };
    group.begin({ boundary, wallClockMs: 0 });
  };
  const show = (epoch: number, atS: number) => group.advance(epoch, Math.round(atS * VIDEO_TIMESCALE));
  const hear = (epoch: number, fromS: number, untilS: number) => {
    const data = new Uint8Array(LOUD_BYTES);
    const from = Math.ceil((fromS * RATE) / PACKET);
    for (let at = from; (at + 1) * PACKET <= untilS * RATE; at += 1) {
      const times = { dts: at * PACKET, pts: at * PACKET, duration: PACKET };
      group.push({ kind: "audio", epoch, ...times, key: true, configVersion: 1, arrivalMs: 0, data });
    }
  };
  const isSilent = ({ data }: Frame) => data.length < LOUD_BYTES;

  it("is silent in a segment of which nothing was heard, behind one of which something was", () => {
    begin(0, 0, 0);
    hear(0, 0, 1.9);
    // A key frame and one more picture, and the publisher is gone; it comes back on another clock.
    begin(1, 0, 2);
    show(0, 2 + 1 / 30);
    begin(2, 1, 10);
    hear(1, 10, 12);
    show(1, 12);
    group.finish();
    assert.deepEqual(ended, [0, 1, 2]);
    const silent = segments.get(1)!;
    assert.deepEqual(
      silent.map(({ pts, duration }) => [pts - 2 * RATE, duration]),
      [
        [0, PACKET],
        [PACKET, PACKET],
      ],
    );
    assert.ok(silent.every((frame) => isSilent(frame) && frame.epoch === 0));
    assert.ok(![...segments.get(0)!, ...segments.get(2)!].some(isSilent));
  });

  it("begins a segment's silence where the sound before it ends", () => {
    begin(0, 0, 0);
    // Its last packet reaches into the next segment.
    hear(0, 0, 2.01);
    begin(1, 0, 2);
    show(0, 2);
    begin(2, 1, 10);
    hear(1, 10, 11);
    show(1, 11);
    group.finish();
    const end = segments.get(0)!.at(-1)!.pts + PACKET;
    assert.deepEqual(
      segments.get(1)!.map(({ pts }) => pts),
      [end],
    );
  });

  it("leaves segments out from the second on, where nothing is heard any more", () => {
    begin(0, 0, 0);
    hear(0, 0, 1.9);
    for (const sequence of [1, 2, 3]) {
      begin(sequence, 0, 2 * sequence);
      show(0, 2 * sequence + 1);
    }
    group.finish();
    assert.deepEqual(ended, [0, 1]);
  });
});
