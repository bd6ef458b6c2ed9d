import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import { crc32 } from "@leat/transcoder/mpegts/sections.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { H264, HEVC, makeTs } from "../ts-files.ts";
import { FuzzBus } from "./fuzz-bus.ts";
import { mutate, pick, pickOne, randomBytes } from "./mutate.ts";

const PACKET = 188;
/** Where a program's table names its first stream's type. */
const FIRST_TYPE = 12;
/** Of every kind: taken, known, private, reserved. */
const types = [1, 2, 3, 4, 6, 15, 17, 27, 36, 129, 134, 255];

export interface TsFuzzReport {
  readonly read: number;
  readonly refused: ReadonlyMap<string, number>;
  /** What came onto the bus. */
  readonly items: number;
}

/** Throws an error that names seed and case for anything but media of use or a coded refusal. */
export async function fuzzTs(cases: number, seed: number): Promise<TsFuzzReport> {
  const seeds = await makeSeeds();
  const refused = new Map<string, number>();
  let read = 0;
  let items = 0;
  for (let index = 0; index < cases; index += 1) {
    // Of its own seed, so that one case can be had again without those before it.
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    try {
      items += runCase(random, seeds);
      read += 1;
    } catch (error) {
      if (!isCodedError(error)) throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
  }
  return { read, refused, items };
}

async function makeSeeds(): Promise<readonly Uint8Array[]> {
  const pictures = ["-f", "lavfi", "-i", "testsrc2=size=80x64:rate=25:duration=0.32"];
  const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=0.3"];
  const both = [...pictures, ...sound];
  return Promise.all([
    makeTs(...both, ...H264, "-g", "4", "-c:a", "aac"),
    makeTs(...both, ...HEVC, "-c:a", "libopus", "-ac", "2"),
    makeTs(...both, "-map", "0:v", "-map", "1:a", "-map", "1:a", ...H264, "-c:a:0", "libopus", "-c:a:1", "aac"),
    makeTs(...sound, "-c:a", "aac"),
  ]);
}

function runCase(random: SeededRandom, seeds: readonly Uint8Array[]): number {
  const bytes = corrupt(random, seeds);
  const demuxer = new TsDemuxer();
  const bus = new FuzzBus();
  const take = (items: ReturnType<TsDemuxer["push"]>) => {
    for (const item of items) bus.take(item, bytes.length);
  };
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + pick(random, 1 + pick(random, 5_000));
    take(demuxer.push(Uint8Array.from(bytes.subarray(at, at + size))));
    at += size;
  }
  take(demuxer.end());
  assert.ok(demuxer.stats.packets <= bytes.length / PACKET);
  return bus.items;
}

function corrupt(random: SeededRandom, seeds: readonly Uint8Array[]): Uint8Array {
  const seed = pickOne(random, seeds);
  if (random.next() < 0.2) return mutate(random, seed, pickOne(random, seeds));
  const packets = splitPackets(seed);
  const edits = 1 + pick(random, 4);
  for (let edit = 0; edit < edits; edit += 1) {
    // More often near the beginning, where tables and parameter sets stand.
    const at = pick(random, random.next() < 0.5 ? Math.min(packets.length, 8) : packets.length);
    const packet = packets[at] ?? pickOne(random, splitPackets(seed));
    const other = pickOne(random, splitPackets(pickOne(random, seeds)));
    const roll = random.next();
    if (roll < 0.1) packets.splice(at, 1 + pick(random, 3));
    else if (roll < 0.2) packets.splice(at, 0, other);
    else if (roll < 0.3) packets.splice(at, 0, randomBytes(random, pick(random, 400)));
    else if (roll < 0.6) packets[at] = changeTable(random, packets[pick(random, 3)] ?? packet, packets, at);
    else packets[at] = sized(mutate(random, packet, other));
  }
  return Buffer.concat(packets);
}

/** A table whose checksum is right and whose content is not, in another one's place or its own. */
function changeTable(random: SeededRandom, table: Uint8Array, packets: readonly Uint8Array[], at: number): Uint8Array {
  const isTable = table.length === PACKET && table[4] === 0 && (table[5] === 0 || table[5] === 2);
  if (!isTable) return packets[at] ?? table;
  const size = 3 + (((table[6]! & 0x0f) << 8) | table[7]!);
  const changed = Uint8Array.from(table);
  const isTyped = random.next() < 0.3;
  const told = changed.slice(5, 5 + size - 4);
  const body = isTyped ? told : mutate(random, told, changed.subarray(5));
  changed.set(body.subarray(0, 160), 5);
  if (isTyped && table[5] === 2) changed[5 + FIRST_TYPE] = pickOne(random, types);
  const end = 5 + Math.min(body.length, 160);
  if (random.next() < 0.7) changed.set([0xb0, end - 5 + 1], 6);
  const crc = crc32(changed.subarray(5, end));
  changed.set([crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff], end);
  changed[3] = (changed[3]! & 0xf0) | pick(random, 16);
  return changed;
}

function splitPackets(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / PACKET }, (_, index) =>
    bytes.subarray(index * PACKET, (index + 1) * PACKET),
  );
}

function sized(bytes: Uint8Array): Uint8Array {
  const packet = Buffer.alloc(PACKET, 0xff);
  packet.set(bytes.subarray(0, PACKET));
  packet[0] = 0x47;
  return packet;
}
