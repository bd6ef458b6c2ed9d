import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { MAX_RENDITIONS } from "@leat/sdk/protocol/limits.ts";
import { PushError } from "./errors.ts";

/** A rendition as a Livepeer client asks for it. The stream's ladder is bought: this names and chooses among its rungs. */
export interface WantedProfile {
  readonly name: string;
  readonly codec: VideoCodec;
  /** 0 where the client leaves it to the gateway. */
  readonly width: number;
  readonly height: number;
}

/** Some dozen profiles; the head of a request has room for no more than twice that. */
const MAX_CHARS = 8_192;
const MAX_SIDE = 16_384;
/** It is given back in headers. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9 ._:@()+-]{0,63}$/;
const encoders: ReadonlyMap<string, VideoCodec> = new Map([
  ["", "h264"],
  ["h.264", "h264"],
  ["h264", "h264"],
  ["hevc", "hevc"],
  ["vp9", "vp9"],
]);

/**
 * The profiles of a `Livepeer-Transcode-Configuration`; undefined where it has none. What else stands in it is the
 * gateway's own business, and not looked at. @throws PUSH_CONFIGURATION_INVALID
 */
export function parseTranscodeConfiguration(text: string): readonly WantedProfile[] | undefined {
  if (text.length > MAX_CHARS) throw invalid("length");
  const { profiles } = asObject(parseJson(text), "json");
  if (profiles === undefined || profiles === null) return undefined;
  if (!Array.isArray(profiles) || profiles.length > MAX_RENDITIONS) throw invalid("profiles");
  const wanted = profiles.map((profile) => readProfile(asObject(profile, "profile")));
  if (new Set(wanted.map(({ name }) => name)).size < wanted.length) throw invalid("names");
  return wanted;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid("json", cause);
  }
}

function asObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(what);
  return value as Record<string, unknown>;
}

function readProfile(profile: Readonly<Record<string, unknown>>): WantedProfile {
  const width = readSide(profile.width);
  const height = readSide(profile.height);
  const { name: given, encoder = "" } = profile;
  const name = given === undefined || given === "" ? `${width}x${height}` : given;
  if (typeof name !== "string" || !namePattern.test(name)) throw invalid("name");
  const known = typeof encoder === "string" ? encoders.get(encoder.toLowerCase()) : undefined;
  if (known === undefined) throw invalid("encoder");
  return { name, codec: known, width, height };
}

function readSide(side: unknown = 0): number {
  if (!Number.isInteger(side) || (side as number) < 0 || (side as number) > MAX_SIDE) throw invalid("size");
  return side as number;
}

function invalid(what: string, cause?: unknown): PushError {
  return new PushError({ code: "PUSH_CONFIGURATION_INVALID", what }, { cause });
}
