import assert from "node:assert/strict";
import { parseRtcp } from "@leat/node/media-io/webrtc/rtcp.ts";
import { isRtcp, parseRtp } from "@leat/node/media-io/webrtc/rtp.ts";
import { PlayClock } from "@leat/node/media-io/whep/play-clock.ts";
import { RtpSender } from "@leat/node/media-io/whep/sender.ts";

describe("rtp sender", () => {
  let sent: Uint8Array[] = [];
  const senderAt = (firstSequence: number, firstTimestamp = 0) => {
    sent = [];
    const send = (packet: Uint8Array) => {
      sent.push(Uint8Array.from(packet));
      return true;
    };
    return new RtpSender({ ssrc: 5, payloadType: 102, rate: 90_000, firstSequence, firstTimestamp, send });
  };
  const sequences = () => sent.map((packet) => parseRtp(packet)!.sequence);

  it("numbers packets over the wrap, and gives each again under its own number and time", () => {
    const sender = senderAt(65_534, 2 ** 32 - 90);
    for (let index = 0; index < 5; index += 1) sender.send(packet(index), index * 90, index === 4);
    assert.deepEqual(sequences(), [65_534, 65_535, 0, 1, 2]);
    assert.deepEqual(
      sent.map((one) => parseRtp(one)!.timestamp),
      [2 ** 32 - 90, 0, 90, 180, 270],
    );
    sent.length = 0;
    sender.resend([65_535, 2]);
    assert.deepEqual(
      sent.map((one) => [parseRtp(one)!.sequence, parseRtp(one)!.payload[0], parseRtp(one)!.marker]),
      [
        [65_535, 1, false],
        [2, 4, true],
      ],
    );
  });

  it("gives nothing again that it never sent, or no longer has, and no more than is fair in a second", () => {
    const sender = senderAt(0);
    for (let index = 0; index < 3_000; index += 1) sender.send(packet(index & 0xff), 0, false);
    sent.length = 0;
    sender.resend([3_000, 40_000, 1_900]);
    assert.deepEqual(sent, []);
    sender.resend([1_976, 2_999]);
    assert.equal(sent.length, 2);
    for (let round = 0; round < 20; round += 1) sender.resend(Array.from({ length: 500 }, (_, index) => 2_400 + index));
    assert.equal(sent.length, 600);
    sender.report();
    sent.length = 0;
    sender.resend([2_999]);
    assert.equal(sent.length, 1);
  });

  it("reports the newest frame's time on the wall beside that on the track", () => {
    const sender = senderAt(0, 1_000);
    const ticks = sender.stamp(sender.ticksAt(10_000), 10_000);
    sender.send(packet(1), ticks, true);
    sent.length = 0;
    sender.report();
    assert.ok(isRtcp(sent[0]!));
    assert.deepEqual(parseRtcp(sent[0]!), [
      { type: "senderReport", ssrc: 5, ntpMs: 2_208_988_800_000 + 10_000, timestamp: 901_000 },
    ]);
  });

  it("never goes back in time", () => {
    const sender = senderAt(0);
    assert.deepEqual(
      [sender.stamp(100, 0), sender.stamp(50, 0), sender.stamp(101, 0), sender.stamp(500, 0)],
      [100, 101, 102, 500],
    );
  });
});

describe("play clock", () => {
  it("goes with the media within an epoch, and with arrivals from one to the next, the same for both tracks", () => {
    const clock = new PlayClock();
    assert.equal(clock.tell({ epoch: 0, pts: 90_000, arrivalMs: 5_000 }, 90_000), 5_000);
    assert.equal(clock.tell({ epoch: 0, pts: 180_000, arrivalMs: 9_999 }, 90_000), 6_000);
    assert.equal(clock.tell({ epoch: 0, pts: 48_000, arrivalMs: 1 }, 48_000), 5_000);
    // The publisher came back three seconds later, on a clock of its own.
    assert.equal(clock.tell({ epoch: 1, pts: 48_000, arrivalMs: 9_000 }, 48_000), 9_000);
    assert.equal(clock.tell({ epoch: 1, pts: 99_000, arrivalMs: 1 }, 90_000), 9_100);
    // A packet of the old epoch that is late.
    assert.equal(clock.tell({ epoch: 0, pts: 189_000, arrivalMs: 1 }, 90_000), 6_100);
  });
});

function packet(first: number): Uint8Array {
  const bytes = new Uint8Array(13);
  bytes[12] = first;
  return bytes;
}
