import assert from "node:assert/strict";
import type { LivePart } from "@leat/node/media/live-segment.ts";
import { allFit } from "@leat/node/media/low-latency.ts";
import { partTargetTicks, SegmentPackager } from "@leat/node/media/packager.ts";
import { partTargetOf } from "@leat/node/media/part-target.ts";
import type { AudioConfig, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";

const description = Uint8Array.of(1, 0x64, 0, 0x1f);
const video: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 64,
  height: 48,
  description,
  codecString: "avc1.64001f",
};
const audio: AudioConfig = {
  kind: "audio",
  codec: "aac",
  timescale: 48_000,
  sampleRate: 48_000,
  channels: 2,
  description,
  codecString: "mp4a.40.2",
};

describe("part target", () => {
  /** Whether all parts of a segment of frames that begin at these ticks obey the target. */
  function fits(config: TrackConfig, begins: readonly number[], targetMs: number): boolean {
    const ticks = partTargetTicks(config.timescale, targetMs);
    const packager = new SegmentPackager({ config, sequence: 0, partTargetTicks: ticks });
    const parts: LivePart[] = [];
    const take = (part: ReturnType<SegmentPackager["finish"]>) => {
      if (part !== undefined) parts.push({ ...part, sizeBytes: part.bytes.length, offset: 0, sha256: "0x" });
    };
    for (const [at, dts] of begins.slice(0, -1).entries()) {
      const shared = { epoch: 0, dts, pts: dts, duration: begins[at + 1]! - dts, configVersion: 0, arrivalMs: 0 };
      const data = Uint8Array.of(1);
      take(packager.push({ ...shared, kind: config.kind, key: at === 0 || config.kind === "audio", data }));
    }
    take(packager.finish());
    return parts.length > 1 && allFit(parts, ticks);
  }

  for (const fps of [5, 7.5, 10, 12, 12.5, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 90, 120]) {
    it(`lets parts of ${fps} pictures a second and of sound be as long as low latency wants them`, () => {
      const count = Math.ceil(fps * 4) + 1;
      const exact = Array.from({ length: count }, (_, at) => Math.round((at * 90_000) / fps));
      // As RTMP tells times.
      const rounded = Array.from({ length: count }, (_, at) => Math.round((at * 1_000) / fps) * 90);
      for (const begins of [exact, rounded]) {
        for (const measured of [1, 2, 16]) {
          const target = partTargetOf(begins[measured]! / measured);
          assert.ok(target <= 250, `${target}`);
          assert.ok(fits(video, begins, target), `${measured} frames: pictures in ${target} ms`);
          // A pause of 7 ms stands behind one of the packets.
          for (const [frame, pause] of [1_024, 960].flatMap((frame) => [9, 10, 11, 12].map((at) => [frame, at]))) {
            const packets = Array.from({ length: 90 }, (_, at) => at * frame! + (at > pause! ? 336 : 0));
            assert.ok(fits(audio, packets, target), `sound of ${frame} samples in ${target} ms, pause at ${pause}`);
          }
        }
      }
    });
  }

  it("is a frame where one is longer than a quarter of a second, and the usual one where nothing is known", () => {
    assert.deepEqual([0, Number.NaN, 90_000, 180_000].map(partTargetOf), [250, 250, 1_011, 2_014]);
  });
});
