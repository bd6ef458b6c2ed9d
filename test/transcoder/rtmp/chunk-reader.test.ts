import assert from "node:assert/strict";
import { ChunkReader, type RtmpMessage } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { RtmpWireError } from "@leat/transcoder/rtmp/errors.ts";
import { MAX_BUFFERED_BYTES, MAX_COMMAND_BYTES } from "@leat/transcoder/rtmp/limits.ts";
import fc from "fast-check";

function readAll(reader: ChunkReader, bytes: Uint8Array, cuts: readonly number[] = []): RtmpMessage[] {
  const messages: RtmpMessage[] = [];
  let offset = 0;
  for (const cut of [...cuts, bytes.length]) {
    messages.push(...reader.read(bytes.subarray(offset, Math.min(offset + cut, bytes.length))));
    offset += cut;
  }
  return messages;
}

interface Header {
  readonly time?: number;
  readonly size?: number;
  readonly type?: number;
  readonly streamId?: number;
}

/** A chunk's headers of any type, and its body. Times from 0xffffff on stand behind them, in type 3 where told. */
function anyChunk(format: 0 | 1 | 2 | 3, id: number, header: Header, body: ArrayLike<number>): Uint8Array {
  const { time = 0, size = 0, type = 0, streamId = 0 } = header;
  const basic = id < 64 ? [id] : id < 320 ? [0, id - 64] : [1, (id - 64) & 0xff, (id - 64) >> 8];
  basic[0]! |= format << 6;
  const fields = Buffer.alloc(11);
  fields.writeUIntBE(Math.min(time, 0xffffff), 0, 3);
  fields.writeUIntBE(size, 3, 3);
  fields[6] = type;
  fields.writeUInt32LE(streamId, 7);
  const extended = Buffer.alloc(time >= 0xffffff ? 4 : 0);
  if (extended.length > 0) extended.writeUInt32BE(time);
  return Buffer.concat([Buffer.from(basic), fields.subarray(0, [11, 7, 3, 0][format]), extended, Buffer.from(body)]);
}

/** A chunk with a header of type 0. */
function chunk(id: number, time: number, size: number, type: number, body: Uint8Array): Uint8Array {
  return anyChunk(0, id, { time, size, type }, body);
}

describe("rtmp chunks", () => {
  it("reads headers of every form, wherever they stand and are cut", () => {
    const bytes = Buffer.concat([
      anyChunk(0, 100, { time: 0x80000005, size: 1, type: 9, streamId: 0x81020304 }, [1]),
      anyChunk(0, 700, { time: 10, size: 2, type: 8, streamId: 300 }, [2, 3]),
      anyChunk(1, 700, { time: 0x01000001, size: 3, type: 9 }, [4, 5, 6]),
      anyChunk(2, 100, { time: 0x90000000 }, [7]),
      anyChunk(3, 700, { time: 0x01000001 }, [8, 9, 10]),
    ]);
    const expected = [
      [0x80000005, 9, 0x81020304, [1]],
      [10, 8, 300, [2, 3]],
      [10 + 0x01000001, 9, 300, [4, 5, 6]],
      [0x10000005, 9, 0x81020304, [7]],
      [10 + 2 * 0x01000001, 9, 300, [8, 9, 10]],
    ];
    for (let cut = 1; cut <= bytes.length; cut += 1) {
      const cuts = Array.from({ length: Math.floor(bytes.length / cut) }, () => cut);
      const found = readAll(new ChunkReader(), bytes, cuts);
      assert.deepEqual(
        found.map(({ timestamp, type, streamId, payload }) => [timestamp, type, streamId, [...payload]]),
        expected,
      );
    }
  });

  it("puts messages together however the bytes are cut", () => {
    const message = fc.record({
      id: fc.integer({ min: 2, max: 20 }),
      type: fc.constantFrom(8, 9),
      payload: fc.uint8Array({ maxLength: 10_000 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 300 })), (items, cuts) => {
        const reader = new ChunkReader();
        reader.setChunkSize(4096);
        const bytes = Buffer.concat(items.map(({ id, type, payload }) => writeMessage(id, type, 1, payload)));
        const messages = readAll(reader, bytes, cuts);
        assert.deepEqual(
          messages.map(({ type, streamId, payload }) => [type, streamId, Buffer.from(payload).toString("hex")]),
          items.map(({ type, payload }) => [type, 1, Buffer.from(payload).toString("hex")]),
        );
        assert.equal(reader.bufferedBytes, 0);
      }),
    );
  });

  it("counts timestamps from deltas and reads extended ones in every chunk of a message", () => {
    const reader = new ChunkReader();
    const body = new Uint8Array(200).fill(7);
    const extended = Uint8Array.of(0x01, 0, 0, 0);
    const bytes = Buffer.concat([
      chunk(4, 1000, 1, 9, Uint8Array.of(1)),
      Uint8Array.of(0x84, 0, 0, 40, 2), // type 2: 40 more
      Uint8Array.of(0xc4, 3), // type 3: 40 more again
      chunk(5, 0x01000000, 200, 8, body.subarray(0, 128)),
      Uint8Array.of(0xc5, ...extended),
      body.subarray(128),
    ]);
    assert.deepEqual(
      readAll(reader, bytes).map(({ timestamp, payload }) => [timestamp, payload.length]),
      [
        [1000, 1],
        [1040, 1],
        [1080, 1],
        [0x01000000, 200],
      ],
    );
  });

  it("copies a message that came whole only where it would keep much else in memory", () => {
    const reader = new ChunkReader();
    reader.setChunkSize(65_536);
    const picture = chunk(4, 0, 20_000, 9, new Uint8Array(20_000).fill(1));
    const packetOf = (size: number) => chunk(5, 0, size, 8, new Uint8Array(size).fill(2));
    const arePieces = (size: number, cuts: readonly number[] = []) => {
      const bytes = Uint8Array.from(Buffer.concat([picture, packetOf(size)]));
      return readAll(reader, bytes, cuts).map(({ payload }) => payload.buffer === bytes.buffer);
    };
    assert.deepEqual(arePieces(1_300), [true, false]);
    assert.deepEqual(arePieces(1_400), [true, true]);
    assert.deepEqual(arePieces(300, [picture.length]), [true, true]);
    assert.deepEqual(arePieces(300, [picture.length - 1]), [false, true]);
  });

  it("holds no picture before somebody has a use for it", () => {
    const begin = (reader: ChunkReader, sizeBytes: number) => [
      ...reader.read(chunk(4, 0, sizeBytes, 9, new Uint8Array(1))),
    ];
    assert.deepEqual(begin(new ChunkReader(MAX_COMMAND_BYTES), MAX_COMMAND_BYTES), []);
    const tooLarge = { code: "RTMP_MESSAGE_TOO_LARGE" };
    assert.throws(() => begin(new ChunkReader(MAX_COMMAND_BYTES), MAX_COMMAND_BYTES + 1), tooLarge);
    const taking = new ChunkReader(MAX_COMMAND_BYTES);
    taking.takeMedia();
    assert.deepEqual(begin(taking, MAX_COMMAND_BYTES + 1), []);
  });

  it("holds a bounded amount, whatever is begun and never finished", () => {
    const reader = new ChunkReader();
    const large = 7 * 2 ** 20;
    reader.setChunkSize(large);
    const begin = (id: number) => [...reader.read(chunk(id, 0, large + 1, 9, new Uint8Array(large)))];
    begin(4);
    assert.throws(() => begin(5), { code: "RTMP_BUFFER_EXCEEDED" });
    assert.ok(reader.bufferedBytes <= 2 * MAX_BUFFERED_BYTES);
    assert.throws(() => [...new ChunkReader().read(chunk(4, 0, 9 * 2 ** 20, 9, new Uint8Array(1)))], {
      code: "RTMP_MESSAGE_TOO_LARGE",
    });
    assert.throws(() => [...new ChunkReader().read(chunk(4, 0, 2 ** 20, 20, new Uint8Array(1)))], {
      code: "RTMP_MESSAGE_TOO_LARGE",
    });
    assert.throws(() => [...new ChunkReader().read(Uint8Array.of(0xc4))], { code: "RTMP_CHUNK_HEADER_MISSING" });
    assert.throws(
      () => {
        const streams = new ChunkReader();
        for (let id = 2; id < 60; id += 1) streams.read(chunk(id, 0, 1, 9, Uint8Array.of(1))).next();
      },
      { code: "RTMP_CHUNK_STREAMS_EXCEEDED" },
    );
  });

  it("meets random bytes with a coded error or nothing, and no growth", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 0xffffff }),
        (pieces, size) => {
          const reader = new ChunkReader();
          reader.setChunkSize(size);
          try {
            for (const piece of pieces)
              for (const message of reader.read(piece)) assert.ok(message.payload.length <= 8 * 2 ** 20);
          } catch (error) {
            assert.ok(error instanceof RtmpWireError);
          }
          assert.ok(reader.bufferedBytes <= 40_000);
        },
      ),
    );
  });
});
