import assert from "node:assert/strict";
import { parseTranscodeConfiguration } from "@leat/node/media-io/push/transcode-configuration.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";
import { mutate, pick, pickOne } from "./mutate.ts";

export interface PushFuzzReport {
  /** Configurations that were read, and profiles in them. */
  readonly read: number;
  readonly profiles: number;
  /** By what was wrong. */
  readonly refused: ReadonlyMap<string, number>;
}

/** As MistServer and Livepeer's own documents write them. */
const seeds = [
  {
    manifestID: "movie",
    streamID: "4b1d",
    sessionID: "77ae",
    profiles: [
      { name: "240p0", fps: 0, bitrate: 250_000, width: 426, height: 240, profile: "h264constrainedhigh", gop: "0.0" },
      {
        name: "720p",
        fps: 30,
        fpsDen: 1,
        bitrate: 2_000_000,
        width: 1_280,
        height: 720,
        encoder: "H.264",
        quality: 27,
      },
    ],
    timeoutMultiplier: 4,
  },
  { profiles: [{ width: 640, height: 360, bitrate: 900_000 }], presets: ["P240p30fps16x9"] },
  { objectStore: "s3+https://a:b@host/bucket", profiles: null, verificationFreq: 5, forceSessionReinit: true },
].map((configuration) => new TextEncoder().encode(JSON.stringify(configuration)));

const values = ["null", "[]", "{}", "-1", "1e400", '"\\u0000"', '"\\r\\nX: y"', "16385", "0.5", '"__proto__"', "true"];
const inProfile = ["[1]", "[[]]", "[null]"];

/** Throws an error that names seed and case for anything but profiles within their bounds or a coded refusal. */
export function fuzzPush(cases: number, seed: number): PushFuzzReport {
  const refused = new Map<string, number>();
  let read = 0;
  let profiles = 0;
  for (let index = 0; index < cases; index += 1) {
    // Of its own seed, so that one case can be had again without those before it.
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    const text = corrupt(random);
    try {
      const wanted = parseTranscodeConfiguration(text) ?? [];
      assert.ok(wanted.length <= 64);
      for (const { name, codec, width, height } of wanted) {
        assert.match(name, /^[ -~]{1,64}$/);
        assert.doesNotMatch(name, /["\\/]/);
        assert.ok(["h264", "hevc", "vp9"].includes(codec) && width >= 0 && height >= 0 && width + height <= 32_768);
      }
      read += 1;
      profiles += wanted.length;
    } catch (error) {
      const detail = isCodedError(error) ? (error.detail as { code: string; what?: string }) : undefined;
      if (detail?.code !== "PUSH_CONFIGURATION_INVALID")
        throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(detail.what!, (refused.get(detail.what!) ?? 0) + 1);
    }
  }
  return { read, profiles, refused };
}

function corrupt(random: SeededRandom): string {
  const seed = pickOne(random, seeds);
  if (random.next() < 0.3) return toText(mutate(random, seed, pickOne(random, seeds)));
  // A value in another one's place, so that what comes of it is JSON still.
  const text = toText(seed);
  const pattern = random.next() < 0.2 ? /:(\[.*\])/g : /:("[^"]*"|[\d.]+|true|null)/g;
  const places = [...text.matchAll(pattern)];
  const place = places[pick(random, places.length)];
  if (place === undefined) return text;
  const at = place.index + 1;
  const other =
    random.next() < 0.1
      ? `[${Array(pick(random, 400)).fill("{}").join()}]`
      : pickOne(random, [...values, ...inProfile]);
  return text.slice(0, at) + other + text.slice(at + place[1]!.length);
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
