import assert from "node:assert/strict";
import {
  parseRtcp,
  writeNack,
  writePli,
  writeReceiverReport,
  writeRemb,
  writeSenderReport,
} from "@leat/node/media-io/webrtc/rtcp.ts";
import { isRtcp, parseRtp, RTP_HEAD_BYTES, Unwrapper, writeRtpHead } from "@leat/node/media-io/webrtc/rtp.ts";
import fc from "fast-check";
import { paddingAlone } from "../../../support/rtp-packets.ts";

describe("rtp and rtcp", () => {
  it("reads the head that it writes, and the payload behind extensions and padding", () => {
    const head = { payloadType: 102, marker: true, sequence: 65_535, timestamp: 4_294_967_295, ssrc: 0xdeadbeef };
    const room = new Uint8Array(RTP_HEAD_BYTES + 3);
    room.set([7, 8, 9], RTP_HEAD_BYTES);
    const delayed = writeRtpHead(room, { ...head, playoutDelay: { id: 6, leastMs: 400 } });
    assert.deepEqual(parseRtp(delayed), { ...head, payload: Uint8Array.of(7, 8, 9) });
    assert.deepEqual([...delayed.subarray(12, 20)], [0xbe, 0xde, 0, 1, 0x62, 0x02, 0x83, 0xe8]);
    const packet = writeRtpHead(room, head);
    assert.equal(packet.length, 15);
    assert.deepEqual(parseRtp(packet), { ...head, payload: Uint8Array.of(7, 8, 9) });
    const extended = Uint8Array.from([...packet.subarray(0, 12), 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 7, 8, 0, 2]);
    extended[0]! |= 0x30;
    assert.deepEqual(parseRtp(extended)?.payload, Uint8Array.of(7, 8));
    const padding = { payloadType: 102, ssrc: 9 };
    const alone = { ...padding, marker: false, sequence: 4, timestamp: 5, payload: new Uint8Array() };
    assert.deepEqual(parseRtp(paddingAlone(4, 5, padding)), alone);
  });

  it("takes nothing that is cut short for a packet", () => {
    const room = new Uint8Array(RTP_HEAD_BYTES + 8);
    const packet = writeRtpHead(room, { payloadType: 96, marker: false, sequence: 1, timestamp: 1, ssrc: 1 });
    for (let size = 0; size < 12; size += 1) assert.equal(parseRtp(packet.subarray(0, size)), undefined);
    packet[0] = 0xb0;
    packet[14] = 0xff;
    assert.equal(parseRtp(packet), undefined);
  });

  it("asks for any set of packets again in the fewest entries", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 65_535 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 300 }), { minLength: 1 }),
        (start, gaps) => {
          const wanted = gaps.toSorted((a, b) => a - b).map((gap) => (start + gap) & 0xffff);
          const [item] = parseRtcp(writeNack(1, 99, wanted));
          assert.deepEqual(item, { type: "nack", ssrc: 99, sequences: wanted });
        },
      ),
    );
    assert.equal(writeNack(1, 2, [65_530, 65_535, 5, 10]).length, 16);
  });

  it("reads reports and wishes out of one compound packet", () => {
    const wallMs = 1_790_000_000_250;
    const report = {
      ssrc: 7,
      fractionLost: 0.25,
      lost: 3,
      highest: 70_000,
      jitter: 12,
      lastReport: 1,
      sinceLastReport: 2,
    };
    const compound = Buffer.concat([
      writeSenderReport({ ssrc: 5, wallMs, timestamp: 90_000, packets: 3, bytes: 4 }),
      writeReceiverReport(1, report),
      writePli(1, 9),
      writeRemb(1, 9, 20_000_000),
    ]);
    assert.ok(isRtcp(compound));
    assert.deepEqual(parseRtcp(compound), [
      { type: "senderReport", ssrc: 5, ntpMs: wallMs + 2_208_988_800_000, timestamp: 90_000 },
      { type: "receiverReport", ssrc: 7, lost: 3, highest: 70_000 },
      { type: "keyFrame", ssrc: 9 },
    ]);
    // More came twice than were lost.
    const surplus = writeReceiverReport(1, report);
    surplus.set([0xff, 0xff, 0xf6], 13);
    assert.deepEqual(parseRtcp(surplus), [{ type: "receiverReport", ssrc: 7, lost: -10, highest: 70_000 }]);
    const [, mantissa] = [0, new DataView(writeRemb(1, 9, 20_000_000).buffer).getUint32(16)];
    const bitrate = (mantissa & 0x3ffff) * 2 ** ((mantissa >> 18) & 0x3f);
    assert.ok(bitrate <= 20_000_000 && bitrate > 19_900_000, `${bitrate}`);
  });

  it("stops at a length that passes the end, at whatever byte a packet is cut", () => {
    const whole = Buffer.concat([writePli(1, 9), writeNack(1, 9, [1, 2, 3])]);
    for (let size = 0; size < whole.length; size += 1) {
      assert.equal(parseRtcp(whole.subarray(0, size)).length, size < 12 ? 0 : 1);
    }
  });

  it("unwraps numbers as long as each is within half a range of the one before", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -32_767, max: 32_767 })), (steps) => {
        const unwrapper = new Unwrapper(16);
        let at = 40_000;
        unwrapper.unwrap(at);
        for (const step of steps) {
          at += step;
          assert.equal(unwrapper.unwrap(((at % 65_536) + 65_536) % 65_536), at);
        }
      }),
    );
  });
});
