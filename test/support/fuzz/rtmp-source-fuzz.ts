import { openRtmp } from "@leat/node/media-io/pull/rtmp-source.ts";
import { parseSource } from "@leat/node/media-io/pull/source-url.ts";
import { encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { HANDSHAKE_BYTES } from "@leat/transcoder/rtmp/client.ts";
import { statusOf } from "../rtmp-source.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { mutate, pickOne } from "./mutate.ts";
import { makeRtmpSeeds, type SeedMessage } from "./rtmp-seeds.ts";
import { fuzzSources, type SourceFuzzReport } from "./source-fuzz.ts";

/** Servers by RTMP whose answers, messages or aggregates are not whole. */
export async function fuzzRtmpSources(cases: number, seed: number): Promise<SourceFuzzReport> {
  const { streams } = await makeRtmpSeeds();
  const handshake = Buffer.concat([Uint8Array.of(3), new Uint8Array(2 * HANDSHAKE_BYTES)]);
  const open = (stream: number) => [
    handshake,
    writeMessage(2, messageTypes.setChunkSize, 0, Uint8Array.of(0, 0, 0x10, 0)),
    command("_result", 1, new Map(), statusOf("status", "NetConnection.Connect.Success")),
    command("_result", 2, null, stream),
    command("onStatus", 0, null, statusOf("status", "NetStream.Play.Start")),
  ];
  const endings = [
    writeMessage(4, messageTypes.dataAmf0, 1, encodeAmf(["onPlayStatus", statusOf("", "NetStream.Play.Complete")])),
    command("onStatus", 0, null, statusOf("status", "NetStream.Play.UnpublishNotify")),
    writeMessage(2, messageTypes.userControl, 0, Uint8Array.of(0, 1, 0, 0, 0, 1)),
  ];
  const make = (random: SeededRandom) => {
    const stream = pickOne(random, streams).map(({ body, ...message }) => ({
      ...message,
      body: random.next() < 0.9 ? body : mutate(random, body, body),
    }));
    const media = random.next() < 0.5 ? separate(stream) : [aggregate(random, stream)];
    const sent = Buffer.concat([...media, pickOne(random, endings)]);
    // What is wrong in a message does not hide behind chunks that are.
    const spoiled = random.next() < 0.5 ? sent : mutate(random, sent, sent);
    const opening = open(random.next() < 0.9 ? 1 : pickOne(random, [-1, 0.5, Number.NaN, 2 ** 32 - 1, 2 ** 32]));
    if (random.next() < 0.7) return [...opening, spoiled];
    return [...opening, spoiled].map((bytes) => (random.next() < 0.7 ? bytes : mutate(random, bytes, sent)));
  };
  const source = parseSource("rtmp://source.test/live/camera");
  return fuzzSources(cases, seed, make, (parts) => openRtmp(source, parts));
}

function command(...values: Parameters<typeof encodeAmf>[0]): Uint8Array {
  return writeMessage(3, messageTypes.command, 0, encodeAmf(values));
}

function separate(stream: readonly SeedMessage[]): Uint8Array[] {
  return stream.map(({ kind, timestamp, body }) => writeMessage(4, messageTypes[kind], 1, body, { timeMs: timestamp }));
}

function aggregate(random: SeededRandom, stream: readonly SeedMessage[]): Uint8Array {
  const tags = stream.flatMap(({ kind, timestamp, body }) => {
    const head = Buffer.alloc(11);
    head[0] = messageTypes[kind];
    head.writeUIntBE(body.length, 1, 3);
    head.writeUIntBE(timestamp, 4, 3);
    return [head, body, Buffer.alloc(4)];
  });
  const whole = Buffer.concat(tags);
  const held = random.next() < 0.5 ? whole : mutate(random, whole, whole);
  return writeMessage(4, messageTypes.aggregate, 1, held);
}
