import assert from "node:assert/strict";
import { pickEncoders } from "@leat/transcoder/pick-encoders.ts";
import type { EncoderReport } from "@leat/transcoder/probe.ts";

const works = (codec: EncoderReport["codec"], encoder: string, pixelsPerSecond: number): EncoderReport => {
  return { codec, encoder, works: true, pixelsPerSecond };
};
const fails = (codec: EncoderReport["codec"], encoder: string): EncoderReport => {
  return { codec, encoder, works: false, pixelsPerSecond: 0, reason: "no device" };
};

const reports = [
  works("h264", "libx264", 80),
  works("av1", "libsvtav1", 50),
  works("h264", "h264_qsv", 300),
  works("h264", "h264_vaapi", 200),
  works("av1", "av1_qsv", 20),
  fails("hevc", "libx265"),
  fails("hevc", "hevc_nvenc"),
];

describe("transcoder/pick-encoders", () => {
  const picked = (preference: Parameters<typeof pickEncoders>[1]) => {
    const { encoders, passedOver } = pickEncoders(reports, preference);
    return [
      encoders.map(({ encoder }) => encoder),
      Object.fromEntries(passedOver.map((one) => [one.encoder, one.reason])),
    ];
  };

  it("takes the fastest of each codec that was proven, and says why a chip's is left out", () => {
    assert.deepEqual(picked("fastest"), [
      ["h264_qsv", "libsvtav1"],
      { h264_vaapi: "h264_qsv is faster", av1_qsv: "software is faster here", hevc_nvenc: "no device" },
    ]);
  });

  it("takes a chip's wherever one was proven, the fastest of them", () => {
    assert.deepEqual(picked("hardware"), [
      ["h264_qsv", "av1_qsv"],
      { h264_vaapi: "h264_qsv is faster", hevc_nvenc: "no device" },
    ]);
  });

  it("takes software alone where that is wanted", () => {
    const reason = "the settings want software";
    assert.deepEqual(picked("software"), [
      ["libx264", "libsvtav1"],
      { h264_qsv: reason, h264_vaapi: reason, av1_qsv: reason, hevc_nvenc: "no device" },
    ]);
  });

  it("takes software where no chip works, whatever is preferred", () => {
    const { encoders } = pickEncoders([works("h264", "libx264", 1), fails("h264", "h264_nvenc")], "hardware");
    assert.deepEqual(
      encoders.map(({ encoder }) => encoder),
      ["libx264"],
    );
  });
});
