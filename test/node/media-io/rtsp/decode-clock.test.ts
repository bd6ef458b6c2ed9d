import assert from "node:assert/strict";
import { DecodeClock } from "@leat/node/media-io/rtsp/decode-clock.ts";
import fc from "fast-check";

interface Picture {
  readonly shownMs: number;
  readonly key: boolean;
}

/** What of these comes out, as [time of showing, time of decoding]. */
function run(pictures: readonly Picture[]): [shownMs: number, dtsMs: number][] {
  const clock = new DecodeClock<Picture>();
  return pictures.flatMap((picture) =>
    clock.push(picture).map(({ picture: { shownMs }, time: { dtsMs, ctsMs } }): [number, number] => {
      assert.ok(ctsMs >= 0, `${shownMs} is decoded at ${dtsMs}`);
      assert.equal(dtsMs + ctsMs, Math.max(shownMs, dtsMs));
      return [shownMs, dtsMs];
    }),
  );
}

const key = (shownMs: number) => ({ shownMs, key: true });
const other = (shownMs: number) => ({ shownMs, key: false });

describe("times of decoding", () => {
  it("are those of showing where pictures come in order", () => {
    const pictures = Array.from({ length: 30 }, (_, index) => ({ shownMs: index * 40, key: index === 0 }));
    assert.deepEqual(
      run(pictures),
      pictures.map(({ shownMs }) => [shownMs, shownMs]),
    );
  });

  it("rise, and are never after those of showing, whatever order a codec has", () => {
    const group = fc.record({ frames: fc.integer({ min: 0, max: 3 }), pyramid: fc.boolean() });
    fc.assert(
      fc.property(fc.array(group, { minLength: 12, maxLength: 40 }), (others) => {
        // The deepest comes first: what is learnt later is another test's.
        const groups = [{ frames: 3, pyramid: true }, ...others];
        const pictures: Picture[] = [key(0)];
        let shown = 0;
        for (const { frames, pyramid } of groups) {
          const between = Array.from({ length: frames }, (_, index) => shown + index + 1);
          shown += frames + 1;
          // The middle one first, as those do that others refer to.
          if (pyramid && frames === 3) between.unshift(...between.splice(1, 1));
          pictures.push(...[shown, ...between].map((place) => other(place * 40)));
        }
        const times = run(pictures);
        assert.equal(times.length, pictures.length);
        for (const [index, [shownMs, dtsMs]] of times.entries()) {
          assert.ok(dtsMs <= shownMs && (index === 0 || dtsMs > times[index - 1]![1]), `${index} of ${times}`);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("are learnt anew from the next key frame on where a source is deeper than its first pictures", () => {
    const plain = Array.from({ length: 10 }, (_, index) => ({ shownMs: index * 40, key: index === 0 }));
    const deeper = [other(480), other(400), other(440), key(520), other(640), other(560), other(600)];
    const times = run([...plain, ...deeper]);
    assert.deepEqual(
      times.slice(10).map(([shownMs]) => shownMs),
      [480, 520, 640, 560, 600],
    );
    for (const [shownMs, dtsMs] of times.slice(11)) assert.ok(dtsMs <= shownMs);
  });

  it("are one after the other where two pictures have one time, and neither is shown before it is decoded", () => {
    const times = [...Array(20).keys()].map((index) => (index === 12 ? 11 : index) * 40);
    const decoded = run(times.map((shownMs, index) => ({ shownMs, key: index === 0 })));
    assert.deepEqual(
      decoded.map(([, dtsMs]) => dtsMs),
      times.map((shownMs, index) => (index === 12 ? shownMs + 1 : shownMs)),
    );
  });

  it("follow a source whose clock is set back, and hold a slow one back for no longer than is needed", () => {
    const set = [...Array(12).keys()].map((index) => ({ shownMs: 100_000 + index * 40, key: index === 0 }));
    const back = [...Array(12).keys()].map((index) => ({ shownMs: index * 40, key: index === 0 }));
    assert.equal(run([...set, ...back]).length, 24);
    assert.deepEqual(run([key(0), other(1_000)]), [
      [0, 0],
      [1_000, 1_000],
    ]);
  });
});
