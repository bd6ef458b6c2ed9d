import assert from "node:assert/strict";
import { parseRtcp } from "@leat/node/media-io/webrtc/rtcp.ts";
import { isRtcp, parseRtp, RTP_HEAD_BYTES } from "@leat/node/media-io/webrtc/rtp.ts";
import { PlayClock } from "@leat/node/media-io/whep/play-clock.ts";
import { RtpSender } from "@leat/node/media-io/whep/sender.ts";

describe("rtp sender", () => {
  let sent: Uint8Array[] = [];
  const senderAt = (firstSequence: number, firstTimestamp = 0, playoutDelayId?: number) => {
    sent = [];
    const send = (packet: Uint8Array) => {
      sent.push(Uint8Array.from(packet));
      return true;
    };
    return new RtpSender({
      ssrc: 5,
      payloadType: 102,
      rate: 90_000,
      firstSequence,
      firstTimestamp,
      playoutDelayId,
      send,
    });
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

  it("lets a viewer that misses packets all the time show them later, and one that misses none sooner again", () => {
    const sender = senderAt(0, 0, 6);
    let sequence = 0;
    /** A second in which so many packets are missed; gives how late what follows is to be shown. */
    const second = (missed: number) => {
      sender.resend(Array.from({ length: missed }, () => sequence - 1));
      sender.report();
      sent.length = 0;
      sender.send(packet(7), 0, true);
      sequence += 1;
      assert.deepEqual([...parseRtp(sent[0]!)!.payload], [7]);
      return delayOf(sent[0]!);
    };
    assert.deepEqual([second(0), second(1), second(0)], [undefined, undefined, undefined]);
    assert.deepEqual([second(2), second(5), second(3), second(9)], [200, 400, 600, 600]);
    const calm = Array.from({ length: 60 }, () => second(0));
    assert.deepEqual([calm[18], calm[19], calm[39], calm[59]], [600, 400, 200, 0]);
    assert.deepEqual([second(3)], [200]);
  });

  it("tells nobody how late to show, who has no word for it", () => {
    const sender = senderAt(0);
    sender.send(packet(7), 0, true);
    sender.resend([0, 0, 0]);
    sender.report();
    sender.send(packet(7), 0, true);
    assert.equal(sent.at(-1)!.length, 13);
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
  const bytes = new Uint8Array(RTP_HEAD_BYTES + 1);
  bytes[RTP_HEAD_BYTES] = first;
  return bytes;
}

/** By the extension "playout-delay" under the number 6: the least, where the most is ten seconds. */
function delayOf(bytes: Uint8Array): number | undefined {
  if ((bytes[0]! & 0x10) === 0) return undefined;
  assert.deepEqual([...bytes.subarray(12, 17)], [0xbe, 0xde, 0, 1, 0x62]);
  const both = (bytes[17]! << 16) | (bytes[18]! << 8) | bytes[19]!;
  assert.equal(both & 0xfff, 1_000);
  return (both >> 12) * 10;
}
