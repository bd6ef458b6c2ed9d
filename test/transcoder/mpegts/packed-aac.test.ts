import assert from "node:assert/strict";
import { PackedAacReader } from "@leat/transcoder/mpegts/packed-aac.ts";
import fc from "fast-check";
import { makeAdts, writePrivateTag, writeTimeTag } from "../../support/packed-audio.ts";
import { writeTag } from "../../support/timed-tags.ts";

const RANGE = 2 ** 33;
const FRAME_TICKS = (1_024 * 90_000) / 48_000;

describe("packed aac", function () {
  this.timeout(30_000);
  let frames: Uint8Array[];
  let reader: PackedAacReader;

  before(async () => {
    frames = await makeAdts("-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=1");
  });
  beforeEach(() => {
    reader = new PackedAacReader();
  });

  function read(...pieces: readonly Uint8Array[]) {
    const rest = reader.open(Uint8Array.from(Buffer.concat(pieces)));
    return rest && reader.push(rest);
  }

  it("has each frame at its time, over files and where 33 bits wrap, and is described once", () => {
    const start = RANGE - 10 * FRAME_TICKS;
    const items = [
      ...read(writeTimeTag(start), ...frames.slice(0, 20))!,
      ...read(writeTimeTag((start + 20 * FRAME_TICKS) % RANGE, 3), ...frames.slice(20))!,
    ];
    const [config, ...sound] = items;
    assert.equal(config?.type === "config" && config.config.codec, "aac");
    assert.equal(sound.length, frames.length);
    for (const [at, item] of sound.entries()) {
      assert.ok(item.type === "audio");
      assert.ok(Math.abs(item.sample.dtsMs - (start + at * FRAME_TICKS) / 90) < 0.1, `${at}: ${item.sample.dtsMs}`);
      assert.deepEqual(item.sample.data, frames[at]!.subarray(7));
    }
  });

  it("goes on where a file before told the time and this one does not", () => {
    read(writeTimeTag(90_000), ...frames.slice(0, 10));
    const [next] = read(...frames.slice(10, 20))!;
    assert.ok(next?.type === "audio");
    assert.ok(Math.abs(next.sample.dtsMs - (90_000 + 10 * FRAME_TICKS) / 90) < 0.1, `${next.sample.dtsMs}`);
  });

  it("begins a file at its time where the one before was cut short", () => {
    read(writeTimeTag(0), ...frames.slice(0, 10), frames[10]!.subarray(0, 20));
    const [next, after] = read(writeTimeTag(180_000), ...frames.slice(20, 30))!;
    assert.ok(next?.type === "audio" && after?.type === "audio");
    assert.deepEqual(next.sample, { dtsMs: 2_000, data: frames[20]!.subarray(7) });
    assert.deepEqual(after.sample.data, frames[21]!.subarray(7));
  });

  it("hands on other tags at the file's time", () => {
    const tag = writeTag("now");
    const [first] = read(writeTimeTag(180_000), tag, ...frames)!;
    assert.deepEqual(first, { type: "tag", tag: { atMs: 2_000, tag } });
  });

  it("is none without a time, with another's, or where no frame follows", () => {
    assert.equal(read(...frames), undefined);
    assert.equal(read(writePrivateTag("com.example.other", new Uint8Array(8)), ...frames), undefined);
    assert.equal(
      read(writePrivateTag("com.apple.streaming.transportStreamTimestamp", new Uint8Array(4)), ...frames),
      undefined,
    );
    assert.equal(read(writeTimeTag(0)), undefined);
    assert.equal(read(writeTimeTag(0), Buffer.from("no sound here")), undefined);
  });

  it("takes any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(80), (bytes, from) => {
        const file = Buffer.concat([writeTimeTag(0), ...frames.slice(0, 2)]);
        const spoilt = Uint8Array.from(Buffer.concat([file.subarray(0, from), bytes, file.subarray(from)]));
        const fresh = new PackedAacReader();
        const rest = fresh.open(spoilt);
        if (rest !== undefined) fresh.push(rest);
      }),
    );
  });
});
