import assert from "node:assert/strict";
import { FlvDemuxer } from "@leat/node/media-io/rtmp/flv.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { parseAudioSpecificConfig } from "@leat/sdk/protocol/bitstream/aac.ts";
import { describeAv1, findSequenceHeader, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { parseAvcConfiguration } from "@leat/sdk/protocol/bitstream/h264.ts";
import { parseHevcConfiguration } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { opusPacketSamples, parseOpusHead } from "@leat/sdk/protocol/bitstream/opus.ts";
import { findVp9Key, parseVp9Configuration } from "@leat/sdk/protocol/bitstream/vp9.ts";
import { decodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { ChunkReader, messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { MAX_BUFFERED_BYTES } from "@leat/transcoder/rtmp/limits.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { FuzzBus } from "./fuzz-bus.ts";
import { mutate, pick, pickOne } from "./mutate.ts";
import { makeRtmpSeeds, type RtmpSeeds, type SeedMessage } from "./rtmp-seeds.ts";

export interface FuzzReport {
  readonly cases: number;
  /** Cases that were read to their end, and those that were refused, by code. */
  readonly read: number;
  readonly refused: ReadonlyMap<string, number>;
  /** What came onto the bus. */
  readonly items: number;
}

/** One way in: makes a hostile input and feeds it. Gives how many things came out. */
type Target = (random: SeededRandom, seeds: RtmpSeeds) => number;

const parsers: Readonly<Record<string, readonly ((bytes: Uint8Array) => unknown)[]>> = {
  avc1: [parseAvcConfiguration, splitNals],
  hvc1: [parseHevcConfiguration, splitNals],
  vp09: [parseVp9Configuration, findVp9Key],
  av01: [
    (record) => {
      const header = findSequenceHeader(record);
      return header && describeAv1(header);
    },
    (unit) => readTemporalUnit(unit, false),
  ],
  Opus: [parseOpusHead, opusPacketSamples],
  mp4a: [parseAudioSpecificConfig, () => {}],
};

const targets: readonly Target[] = [fuzzAmf, fuzzParsers, fuzzTags, fuzzTags, fuzzConnection, fuzzConnection];

/** Throws an error that names seed and case for anything but an answer or a coded refusal. */
export async function fuzzRtmp(cases: number, seed: number): Promise<FuzzReport> {
  const seeds = await makeRtmpSeeds();
  const refused = new Map<string, number>();
  let read = 0;
  let items = 0;
  for (let index = 0; index < cases; index += 1) {
    // Of its own seed, so that one case can be had again without those before it.
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    try {
      items += targets[index % targets.length]!(random, seeds);
      read += 1;
    } catch (error) {
      if (!isCodedError(error)) throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
  }
  return { cases, read, refused, items };
}

function fuzzAmf(random: SeededRandom, { commands }: RtmpSeeds): number {
  return decodeAmf(mutate(random, pickOne(random, commands), pickOne(random, commands))).length;
}

function fuzzParsers(random: SeededRandom, { records }: RtmpSeeds): number {
  const { codec, record, frames } = pickOne(random, records);
  const [configuration, frame] = parsers[codec]!;
  if (random.next() < 0.5) configuration!(mutate(random, record, pickOne(random, records).record));
  else frame!(mutate(random, pickOne(random, frames), record));
  return 0;
}

/** A publisher whose messages are whole and whose tags are not. */
function fuzzTags(random: SeededRandom, { streams }: RtmpSeeds): number {
  const bus = new FuzzBus();
  const demuxer = new FlvDemuxer();
  for (const { kind, timestamp, body } of corrupt(random, streams)) {
    const items = kind === "video" ? demuxer.video(timestamp, body) : demuxer.audio(timestamp, body);
    for (const item of items) bus.take(item, body.length);
  }
  return bus.items;
}

/** A publisher whose chunks are not whole either, from its first command on. */
function fuzzConnection(random: SeededRandom, { streams, commands }: RtmpSeeds): number {
  const stream = random.next() < 0.5 ? corrupt(random, streams) : pickOne(random, streams);
  const sent = Buffer.concat([
    writeMessage(2, messageTypes.setChunkSize, 0, Uint8Array.of(0, 0, 0x10, 0)),
    ...commands.map((command) => writeMessage(3, messageTypes.command, 0, command)),
    ...stream.map(({ kind, body }) => writeMessage(kind === "video" ? 6 : 4, messageTypes[kind], 1, body)),
  ]);
  const bytes = mutate(random, sent, sent);
  const reader = new ChunkReader();
  const demuxer = new FlvDemuxer();
  const bus = new FuzzBus();
  for (let offset = 0; offset < bytes.length; ) {
    const size = 1 + pick(random, 1 + pick(random, 5_000));
    for (const { type, timestamp, payload } of reader.read(bytes.subarray(offset, offset + size))) {
      if (type === messageTypes.setChunkSize && payload.length >= 4) {
        reader.setChunkSize(Buffer.from(payload).readUInt32BE(0) & 0x7fffffff);
      }
      if (type === messageTypes.abort && payload.length >= 4) reader.abort(Buffer.from(payload).readUInt32BE(0));
      if (type === messageTypes.command) decodeAmf(payload);
      const items =
        type === messageTypes.video
          ? demuxer.video(timestamp, payload)
          : type === messageTypes.audio
            ? demuxer.audio(timestamp, payload)
            : [];
      for (const item of items) bus.take(item, payload.length);
    }
    offset += size;
    assert.ok(reader.bufferedBytes <= MAX_BUFFERED_BYTES + size);
  }
  return bus.items;
}

function corrupt(random: SeededRandom, streams: RtmpSeeds["streams"]): SeedMessage[] {
  const stream = [...pickOne(random, streams)];
  const edits = 1 + pick(random, 3);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = pick(random, stream.length);
    const other = pickOne(random, pickOne(random, streams));
    const { kind, timestamp, body } = stream[at]!;
    const roll = random.next();
    if (roll < 0.1) stream.splice(at, 1);
    else if (roll < 0.2) stream.splice(at, 0, other);
    else if (roll < 0.3) stream[at] = { kind, timestamp: pick(random, 2 ** 32), body };
    else stream[at] = { kind, timestamp, body: mutate(random, body, other.body) };
    if (stream.length === 0) return [other];
  }
  return stream;
}
