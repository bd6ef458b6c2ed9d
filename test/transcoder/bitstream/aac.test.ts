import assert from "node:assert/strict";
import { readAdts, readAudioSpecificConfig } from "@leat/transcoder/bitstream/aac.ts";

describe("transcoder/bitstream/aac", () => {
  it("reads rate and channels from an ADTS header and leaves the frame", () => {
    const frame = readAdts(Uint8Array.of(0xff, 0xf1, 0x50, 0x80, 0x01, 0x7f, 0xfc, 7, 8, 9));
    assert.deepEqual([...frame!.data], [7, 8, 9]);
    const { sampleRate, channels, timescale, codecString } = frame!.config;
    assert.deepEqual([sampleRate, channels, timescale, codecString], [44_100, 2, 44_100, "mp4a.40.2"]);
    assert.deepEqual([...frame!.config.description], [0x12, 0x10]);
  });

  it("reads what it wrote", () => {
    const config = readAudioSpecificConfig(Uint8Array.of(0x11, 0x90));
    assert.deepEqual([config?.sampleRate, config?.channels], [48_000, 2]);
  });

  it("sees nothing in other bytes", () => {
    assert.equal(readAdts(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)), undefined);
    assert.equal(readAudioSpecificConfig(Uint8Array.of(0x17)), undefined);
  });
});
