import assert from "node:assert/strict";
import { MAX_FRAME_UNITS } from "@leat/node/media-io/webrtc/limits.ts";
import type { VideoDepacketizer } from "@leat/node/media-io/whip/depacketizer.ts";
import { H264Depacketizer } from "@leat/node/media-io/whip/h264-depacketizer.ts";
import { Vp8Depacketizer } from "@leat/node/media-io/whip/vp8-depacketizer.ts";
import { Vp9Depacketizer } from "@leat/node/media-io/whip/vp9-depacketizer.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { codedTrack, codedVp8 } from "../../../support/coded-track.ts";
import { packetsOf, parsed, type SourceTrack } from "../../../support/rtp-packets.ts";

const makers = {
  h264: () => new H264Depacketizer(),
  vp8: () => new Vp8Depacketizer(),
  vp9: () => new Vp9Depacketizer(),
} as const;
type Taken = keyof typeof makers;
const codecStrings: Readonly<Record<Taken, RegExp>> = {
  h264: /^avc1\.[0-9a-f]{6}$/,
  vp8: /^vp8$/,
  vp9: /^vp09\.00\.\d\d\.08$/,
};
/** The head of a packet in which a picture begins that goes on, and of those that follow. */
const endless: Readonly<Record<Taken, readonly [first: readonly number[], rest: readonly number[]]>> = {
  h264: [
    [28, 0x85],
    [28, 0x05],
  ],
  vp8: [[0x10], [0x00]],
  vp9: [[0x08], [0x00]],
};

function encoded(codec: Taken, size?: string): Promise<SourceTrack> {
  return codec === "vp8" ? codedVp8(size) : codedTrack(codec, size);
}

for (const codec of ["h264", "vp8", "vp9"] as const) {
  describe(`${codec} depacketizer`, () => {
    let track: SourceTrack;
    before(async () => {
      track = await encoded(codec);
    });

    it("gives back every picture of a real encoder, its key frames and one configuration", () => {
      const pictures = feed(makers[codec](), packetsOf(track).flat());
      assert.equal(pictures.length, track.frames.length);
      for (const [index, { data, key, timestamp }] of pictures.entries()) {
        const frame = track.frames[index]!;
        assert.deepEqual([...slicesOf(codec, data)], [...slicesOf(codec, frame.data)]);
        assert.deepEqual([key, timestamp], [frame.key, frame.pts]);
      }
      const configs = pictures.flatMap(({ config }) => config ?? []);
      assert.equal(configs.length, 1);
      const { width, height, codecString } = configs[0]!;
      assert.deepEqual([width, height], [320, 180]);
      assert.match(codecString, codecStrings[codec]);
      if (codec === "h264") assert.deepEqual(configs[0]!.description, Uint8Array.from(track.config.description));
    });

    it("gives nothing from a lost packet to the next key frame", () => {
      const depacketizer = makers[codec]();
      const pictures = packetsOf(track).flatMap((packets, index) => {
        if (index === 5) depacketizer.lose();
        return parsed(index === 5 ? packets.slice(1) : packets).flatMap((packet) => depacketizer.push(packet));
      });
      const shown = pictures.map(({ timestamp }) => track.frames.findIndex(({ pts }) => pts === timestamp));
      const keys = track.frames.flatMap(({ key }, index) => (key ? [index] : []));
      const [, second] = keys;
      assert.deepEqual(shown.slice(0, 6), [0, 1, 2, 3, 4, second]);
      assert.equal(depacketizer.needsKey, false);
    });

    it("gives nothing before the first key frame, and says that it needs one", () => {
      const depacketizer = makers[codec]();
      assert.equal(depacketizer.needsKey, true);
      const pictures = feed(depacketizer, packetsOf(track).slice(1).flat());
      assert.equal(pictures[0]!.key, true);
      assert.ok(pictures.length < track.frames.length - 1);
    });

    it("tells a new configuration with the key frame that brings it", async () => {
      const depacketizer = makers[codec]();
      const other = await encoded(codec, "160x96");
      feed(depacketizer, packetsOf(track).flat());
      const pictures = feed(depacketizer, packetsOf(other, { timestamp: 900_000 }).flat());
      assert.deepEqual([pictures[0]!.config?.width, pictures[0]!.config?.height], [160, 96]);
      assert.equal(
        pictures.slice(1).every(({ config }) => config === undefined),
        true,
      );
    });

    it("ends a picture whose last packet has no mark when the next one begins", () => {
      const unmarked = packetsOf(track).flat();
      for (const packet of unmarked) packet[1]! &= 0x7f;
      assert.equal(feed(makers[codec](), unmarked).length, track.frames.length - 1);
    });

    it("refuses a picture larger than any", () => {
      const depacketizer = makers[codec]();
      const payload = new Uint8Array(60_000).fill(1);
      const packet = { payloadType: 96, sequence: 0, timestamp: 0, ssrc: 1, marker: false, payload };
      const [first, rest] = endless[codec];
      payload.set(first);
      const push = () => {
        depacketizer.push(packet);
        payload.set(rest);
        for (let index = 0; index < 200; index += 1) depacketizer.push(packet);
      };
      assert.throws(push, (error: CodedError<{ code: string }>) => error.code === "WHIP_FRAME_TOO_LARGE");
    });
  });
}

describe("h264 depacketizer, what others send", () => {
  it("takes parameter sets from the offer where packets have none", async () => {
    const track = await codedTrack("h264");
    const [sets, ...rest] = packetsOf(track)[0]!;
    const stap = parsed([sets!])[0]!.payload;
    const first = stap.subarray(3, 3 + stap[1]! * 256 + stap[2]!);
    const second = stap.subarray(5 + first.length);
    const base64 = [first, second].map((set) => Buffer.from(set).toString("base64")).join(",");
    assert.equal(feed(new H264Depacketizer(), rest).length, 0);
    const pictures = feed(new H264Depacketizer(`packetization-mode=1;sprop-parameter-sets=${base64}`), rest);
    assert.deepEqual([pictures[0]!.key, pictures[0]!.config?.width], [true, 320]);
  });

  it("does without parameter sets of the offer that cannot be read", async () => {
    const track = await codedTrack("h264");
    // One that ends behind its first byte, an empty one, and one whose number never ends.
    for (const sets of ["Zw==", ",", "aAAAAAAAAAA="]) {
      const depacketizer = new H264Depacketizer(`packetization-mode=1;sprop-parameter-sets=${sets}`);
      assert.equal(feed(depacketizer, packetsOf(track).flat()).length, track.frames.length);
    }
  });

  it("bounds the pieces of a picture, however few bytes each has", () => {
    const depacketizer = new H264Depacketizer();
    const fragment = (head: number) => rtp(0, [0x7c, head, 1]);
    depacketizer.push(fragment(0x85));
    for (let count = 1; count < MAX_FRAME_UNITS; count += 1) depacketizer.push(fragment(0x05));
    assert.equal(depacketizer.malformed, 0);
    depacketizer.push(fragment(0x05));
    assert.equal(depacketizer.malformed, 1);
  });

  it("does not show as whole a key frame whose beginning was lost with the end of the one before", async () => {
    const depacketizer = new H264Depacketizer();
    assert.equal(feed(depacketizer, packetsOf(await codedTrack("h264"))[0]!).length, 1);
    // The end of this picture is lost, and of the next one the first of its two slices.
    depacketizer.push(rtp(3_000, [0x61, 1, 1]));
    depacketizer.lose();
    assert.deepEqual(depacketizer.push({ ...rtp(6_000, [0x65, 1, 1]), marker: true }), []);
    assert.equal(depacketizer.needsKey, true);
    assert.equal(depacketizer.push({ ...rtp(9_000, [0x65, 1, 1]), marker: true }).length, 1);
  });

  it("takes the largest picture that the protocol carries, and no larger", async () => {
    const [sets] = parsed(packetsOf(await codedTrack("h264"))[0]!);
    const lengthBytes = 4;
    for (const over of [0, 1]) {
      const depacketizer = new H264Depacketizer();
      // The sets come with a picture of their own, which is dropped.
      depacketizer.push({ ...sets!, marker: true });
      const slices = [MAX_FRAME_BYTES / 2 - lengthBytes, MAX_FRAME_BYTES / 2 - lengthBytes + over];
      const push = () =>
        slices.flatMap((size, index) => {
          const payload = new Uint8Array(size).fill(1);
          payload[0] = 0x65;
          return depacketizer.push({ ...rtp(9_000, []), marker: index === 1, payload });
        });
      if (over === 0) assert.equal(push()[0]!.data.length, MAX_FRAME_BYTES);
      else assert.throws(push, (error: CodedError<{ code: string }>) => error.code === "WHIP_FRAME_TOO_LARGE");
    }
  });

  it("counts packets of kinds that mode 1 has not, and goes on at the next key frame", async () => {
    const depacketizer = new H264Depacketizer();
    const packets = packetsOf(await codedTrack("h264"));
    const strange = { ...parsed(packets[1]!)[0]!, payload: Uint8Array.of(26, 0, 0, 0) };
    feed(depacketizer, packets[0]!);
    depacketizer.push(strange);
    assert.deepEqual([depacketizer.malformed, depacketizer.needsKey], [1, true]);
  });
});

describe("vp9 depacketizer, what others send", () => {
  it("refuses pictures of more than one spatial layer", () => {
    const payload = Uint8Array.of(0x28, 0x02, 0, 0x82);
    const packet = { payloadType: 98, sequence: 0, timestamp: 0, ssrc: 1, marker: true, payload };
    const push = () => new Vp9Depacketizer().push(packet);
    assert.throws(
      push,
      (error: CodedError<{ code: string }>) => error instanceof CodedError && error.code === "WHIP_LAYERS_UNSUPPORTED",
    );
  });

  it("counts what ends before its picture begins", () => {
    const depacketizer = new Vp9Depacketizer();
    for (const payload of [[0x80], [0x28, 0], [0x02, 0x18, 1], [0x50, 1], [0x08]]) {
      depacketizer.push({
        payloadType: 98,
        sequence: 0,
        timestamp: 0,
        ssrc: 1,
        marker: false,
        payload: Uint8Array.from(payload),
      });
    }
    assert.equal(depacketizer.malformed, 5);
  });

  it("gives no picture whose last packet does not end it, and none that refers to it", async () => {
    const track = await codedTrack("vp9");
    const [first = [], second = []] = packetsOf(track).map(parsed);
    const endless = first.map(({ payload, ...packet }) => ({
      ...packet,
      payload: Uint8Array.from([payload[0]! & ~0x04, ...payload.subarray(1)]),
    }));
    const depacketizer = new Vp9Depacketizer();
    assert.deepEqual(
      [...endless, ...second].flatMap((packet) => depacketizer.push(packet)),
      [],
    );
    assert.ok(depacketizer.needsKey);
  });

  it("reads every field that may stand before the picture", async () => {
    const track = await codedTrack("vp9");
    // Number of 15 bits, layer and its picture, a structure of one size and two pictures; then in flexible mode.
    const heads = [
      [0x80 | 0x20 | 0x02, 0x81, 0x23, 0x00, 0x05, 0x18, 1, 64, 0, 180, 2, 0x04, 1, 0x08, 1, 2],
      [0x80 | 0x40 | 0x20 | 0x10, 0x12, 0x00, 0x03, 0x04],
    ];
    for (const head of heads) {
      const pictures = packetsOf(track).slice(0, 3).flat();
      const changed = parsed(pictures).map((packet) => {
        const marks = packet.payload[0]! & 0x0c;
        const first = head[0]! | marks;
        return { ...packet, payload: Uint8Array.from([first, ...head.slice(1), ...packet.payload.subarray(1)]) };
      });
      const depacketizer = new Vp9Depacketizer();
      const out = changed.flatMap((packet) => depacketizer.push(packet));
      assert.deepEqual(
        out.map(({ data }) => data.length),
        track.frames.slice(0, 3).map(({ data }) => data.length),
      );
    }
  });
});

describe("vp8 depacketizer, what others send", () => {
  it("reads every field that may stand before the picture", async () => {
    const { frames, config } = await codedVp8();
    const packets = parsed(packetsOf({ config, frames: frames.slice(0, 3) }).flat());
    // Which fields follow, and they: a number of 7 bits and of 15, a place among layers of time, a layer, a group.
    const extensions = [[0x00], [0x80, 0x12], [0xf0, 0x81, 0x23, 7, 0xa3], [0x50, 7, 0x05], [0x20, 0x60]];
    for (const extension of extensions) {
      const depacketizer = new Vp8Depacketizer();
      const out = packets.flatMap((packet) => {
        const payload = Uint8Array.from([packet.payload[0]! | 0xa0, ...extension, ...packet.payload.subarray(1)]);
        return depacketizer.push({ ...packet, payload });
      });
      assert.deepEqual(
        out.map(({ data }) => Uint8Array.from(data)),
        frames.slice(0, 3).map(({ data }) => data),
      );
    }
  });

  it("takes the beginning of another partition for no picture's", async () => {
    const { frames, config } = await codedVp8();
    const packets = parsed(packetsOf({ config, frames: frames.slice(0, 1) })[0]!);
    assert.ok(packets.length > 2);
    const other = packets[1]!.payload;
    other[0] = 0x13;
    const depacketizer = new Vp8Depacketizer();
    const [picture] = packets.flatMap((packet) => depacketizer.push(packet));
    assert.deepEqual(Uint8Array.from(picture!.data), frames[0]!.data);
  });

  it("counts what cannot be put together, once for each picture, and goes on at the next key frame", async () => {
    const { frames, config } = await codedVp8();
    const packets = packetsOf({ config, frames }).map(parsed);
    const depacketizer = new Vp8Depacketizer();
    packets[0]!.map((packet) => depacketizer.push(packet));
    // Without a beginning, with two of them, and with nothing behind the head.
    const middle = { ...packets[1]![0]!, marker: false, payload: Uint8Array.of(0x00, 1) };
    const begin = { ...middle, payload: Uint8Array.of(0x10, 1) };
    const bare = { ...middle, payload: Uint8Array.of(0x90, 0x80, 1) };
    for (const [at, broken] of [[middle, middle], [begin, begin, middle], [bare]].entries()) {
      for (const packet of broken) depacketizer.push({ ...packet, timestamp: 1_000_000 + at });
      assert.deepEqual([depacketizer.malformed, depacketizer.needsKey], [at + 1, true]);
    }
    const second = frames.findIndex(({ key }, index) => index > 0 && key);
    const shown = packets.slice(1).flatMap((one) => one.flatMap((packet) => depacketizer.push(packet)));
    assert.equal(shown[0]!.timestamp, frames[second]!.pts);
  });

  it("shows no picture whose beginning was lost with the end of the one before", async () => {
    const { frames, config } = await codedVp8();
    const [first, next, ...others] = packetsOf({ config, frames }).map(parsed);
    const depacketizer = new Vp8Depacketizer();
    first!.map((packet) => depacketizer.push(packet));
    depacketizer.lose();
    const end = { ...next!.at(-1)!, payload: Uint8Array.of(0x00, 1, 2, 3), marker: true };
    assert.deepEqual(depacketizer.push(end), []);
    assert.deepEqual([depacketizer.needsKey, depacketizer.malformed], [true, 0]);
    const [shown] = others.flatMap((one) => one.flatMap((packet) => depacketizer.push(packet)));
    assert.equal(shown!.key, true);
  });

  it("refuses what is no VP8", () => {
    const key = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, 1, 2];
    const push = (...bytes: number[]) => new Vp8Depacketizer().push({ ...rtp(0, bytes), marker: true });
    assert.equal(push(...key.with(1, 0x10).with(2, 0)).length, 1);
    const codeOf = (bytes: readonly number[]) => {
      try {
        push(...bytes);
      } catch (error) {
        return (error as CodedError<{ code: string }>).code;
      }
      return undefined;
    };
    assert.equal(codeOf(key), "BITSTREAM_TRUNCATED");
    assert.equal(codeOf(key.slice(0, 3)), "BITSTREAM_TRUNCATED");
    assert.equal(codeOf(key.with(2, 0).with(1, 0x18)), "BITSTREAM_INVALID");
    assert.equal(codeOf(key.with(2, 0).with(4, 0)), "BITSTREAM_INVALID");
    assert.equal(codeOf(key.with(2, 0).with(7, 0)), "BITSTREAM_INVALID");
  });
});

function rtp(timestamp: number, payload: readonly number[]) {
  return { payloadType: 96, sequence: 0, timestamp, ssrc: 1, marker: false, payload: Uint8Array.from(payload) };
}

function feed(depacketizer: VideoDepacketizer, packets: readonly Uint8Array[]) {
  return parsed(packets).flatMap((packet) => depacketizer.push(packet));
}

/** What a decoder shows: parameter sets may stand elsewhere. */
function slicesOf(codec: Taken, data: Uint8Array): Uint8Array {
  if (codec !== "h264") return data;
  return Buffer.concat(splitNals(data).filter((unit) => (unit[0]! & 0x1f) <= 6));
}
