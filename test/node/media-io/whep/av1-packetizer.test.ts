import assert from "node:assert/strict";
import { MAX_PACKET_BYTES } from "@leat/node/media-io/webrtc/limits.ts";
import { RTP_HEAD_BYTES } from "@leat/node/media-io/webrtc/rtp.ts";
import { createAv1Packetizer } from "@leat/node/media-io/whep/av1-packetizer.ts";
import { joinObus, obuTypes } from "@leat/sdk/protocol/bitstream/obu.ts";
import fc from "fast-check";
import { Av1Depacketizer } from "../../../support/av1-depacketizer.ts";

const sequence = { type: obuTypes.sequenceHeader, extension: undefined, payload: Uint8Array.of(1, 2, 3) };
const description = Uint8Array.of(0x81, 0, 0, 0, ...joinObus([sequence]));

function unpack(packets: readonly Uint8Array[]) {
  const reader = new Av1Depacketizer();
  return packets.flatMap((packet, index) => {
    assert.ok(packet.length <= MAX_PACKET_BYTES, `${packet.length} bytes`);
    const payload = packet.subarray(RTP_HEAD_BYTES);
    return reader.push({ payload, timestamp: 7, marker: index === packets.length - 1 } as never);
  });
}

describe("packets of AV1", () => {
  const packetize = createAv1Packetizer({ description });

  it("give every picture back, whatever units it has, and end within one but for the last", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1_100, max: 2_500 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const units = lengths.map((length, index) => {
          return { type: obuTypes.frame, extension: undefined, payload: new Uint8Array(length).fill(index + 0x31) };
        });
        const data = joinObus(units);
        const [picture, ...others] = unpack(packetize({ data, key: false }));
        assert.deepEqual([others.length, picture!.key], [0, false]);
        assert.deepEqual(Buffer.from(picture!.data), Buffer.from(data));
      }),
      { numRuns: 300 },
    );
  });

  it("begin a key frame with its sequence header, once", () => {
    const frame = { type: obuTypes.frame, extension: undefined, payload: new Uint8Array(3_000).fill(0x10) };
    const whole = joinObus([sequence, frame]);
    for (const data of [joinObus([frame]), whole]) {
      const [picture] = unpack(packetize({ data, key: true }));
      assert.equal(picture!.key, true);
      assert.deepEqual(Buffer.from(picture!.data), Buffer.from(whole));
    }
  });
});
