import assert from "node:assert/strict";
import { PesReader } from "@leat/transcoder/mpegts/pes.ts";

/** A head without a time, of a packet whose length its sender does not say. */
const head = Uint8Array.of(0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0);

describe("pes reader", () => {
  it("holds no more pieces than the largest picture has, however little is in each", () => {
    const reader = new PesReader("video");
    reader.push(head, true);
    const one = Uint8Array.of(1);
    assert.throws(() => {
      for (let count = 0; count < 100_000; count += 1) reader.push(one, false);
    }, /MPEGTS_FRAME_TOO_LARGE/);
  });

  it("takes a picture of the largest size, and of sound what sixteen bits of length can say", () => {
    const payload = new Uint8Array(184);
    const feed = (kind: "video" | "audio", bytes: number) => {
      const reader = new PesReader(kind);
      reader.push(head, true);
      for (let size = 0; size < bytes; size += payload.length) reader.push(payload, false);
      return reader.flush();
    };
    const [whole] = feed("video", 6 * 2 ** 20 - payload.length);
    assert.ok(whole !== "broken" && whole!.data.length > 6 * 2 ** 20 - 2 * payload.length);
    assert.notEqual(feed("audio", 65_000)[0], "broken");
    assert.throws(() => feed("audio", 66_000), /MPEGTS_FRAME_TOO_LARGE/);
  });
});
