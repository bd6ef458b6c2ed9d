import assert from "node:assert/strict";
import { findPictureFault } from "@leat/node/media/verification/pictures.ts";
import { describeAv1, parseAv1SequenceHeader, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { joinObus, obuTypes } from "@leat/sdk/protocol/bitstream/obu.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { type CodedTrack, codedTrack } from "../../../support/coded-track.ts";

const size = { width: 320, height: 180 };

describe("pictures of HEVC and AV1", function () {
  this.timeout(60_000);

  for (const codec of ["hevc", "av1"] as const) {
    describe(codec, () => {
      let track: CodedTrack;

      before(async () => {
        track = await codedTrack(codec);
      });

      const faultOf = (frames: readonly Frame[], config: VideoConfig = track.config, wanted = size) =>
        findPictureFault(config, frames, wanted)?.code;

      it("are passed where they are what is claimed of them", () => {
        assert.equal(faultOf(track.frames), undefined);
        assert.equal(track.frames.filter(({ key }) => key).length, 4);
      });

      it("are refused in another size than was asked for, whatever the configuration claims", () => {
        const wanted = { width: 640, height: 360 };
        assert.equal(faultOf(track.frames, track.config, wanted), "CHECK_SIZE");
        assert.equal(faultOf(track.frames, { ...track.config, ...wanted }, wanted), "CHECK_SIZE");
      });

      it("are refused where two stand for one, or none does", () => {
        const [first, second, ...rest] = track.frames as [Frame, Frame, ...Frame[]];
        const data = Buffer.concat([first.data, second.data]);
        assert.equal(faultOf([{ ...first, data }, ...rest]), "CHECK_FRAMES");
        assert.equal(faultOf([first, { ...second, data: new Uint8Array() }]), "CHECK_FRAMES");
      });

      it("are refused where a key frame is claimed and none is there", () => {
        const [first, second] = track.frames as [Frame, Frame];
        assert.equal(faultOf([first, { ...second, key: true }]), "CHECK_KEYFRAME");
        assert.equal(faultOf([{ ...first, key: false }, second]), "CHECK_KEYFRAME");
      });
    });
  }

  it("are refused where a frame of AV1 is hidden that should show", async () => {
    const { config, frames } = await codedTrack("av1");
    const [first, second] = frames as [Frame, Frame];
    const units = readTemporalUnit(second.data, false).units.map((unit) => {
      const payload = Uint8Array.from(unit.payload);
      // show_frame
      payload[0]! &= ~0x10;
      return { ...unit, payload };
    });
    assert.equal(findPictureFault(config, [first, second], size), undefined);
    const fault = findPictureFault(config, [first, { ...second, data: joinObus(units) }], size);
    assert.deepEqual(fault, { code: "CHECK_FRAMES", wanted: "1 picture", found: "0" });
  });

  it("are refused where a sequence header among the frames says something else than the configuration", async () => {
    const [small, large] = await Promise.all([codedTrack("av1"), codedTrack("av1", "640x360")]);
    const { sequenceHeader } = readTemporalUnit(large.frames[0]!.data, false);
    const facts = parseAv1SequenceHeader(sequenceHeader!.payload);
    assert.deepEqual([facts.width, facts.height], [640, 360]);
    const [first] = small.frames as [Frame];
    const units = readTemporalUnit(first.data, false).units.filter(({ type }) => type !== obuTypes.sequenceHeader);
    const data = joinObus([sequenceHeader!, ...units]);
    assert.equal(findPictureFault(small.config, [{ ...first, data }], size)?.code, "CHECK_SIZE");
    const { description } = describeAv1(sequenceHeader!);
    assert.equal(findPictureFault({ ...small.config, description }, small.frames, size)?.code, "CHECK_SIZE");
  });
});
