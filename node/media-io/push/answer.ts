import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TsMuxer, type TsSample } from "@leat/transcoder/mpegts/muxer.ts";
import type { MadeRendition, RungShape } from "../publish-sink.ts";
import { PushError } from "./errors.ts";
import type { PushedMedia } from "./pushed-media.ts";
import type { WantedProfile } from "./transcode-configuration.ts";

export interface PushAnswer {
  readonly contentType: string;
  readonly body: Buffer;
}

export interface NamedRendition<R extends RungShape = MadeRendition> {
  readonly name: string;
  readonly rendition: R;
}

export interface ChoiceParts<R extends RungShape> {
  readonly media: Pick<PushedMedia, "picture">;
  readonly renditions: readonly R[];
  readonly profiles: readonly WantedProfile[] | undefined;
}

export interface AnswerParts {
  readonly media: PushedMedia;
  readonly chosen: readonly NamedRendition[];
  /** Told how many bytes the answer may have, before it is made. */
  readonly hold: (bytes: number) => void;
}

/** A packet, most of which may be filling. */
const PACKET_BYTES = 188;

/** One part a rendition, as a Livepeer gateway answers: its segment as a transport stream with the publisher's sound. */
export async function writeAnswer(number: number, { media, chosen, hold }: AnswerParts): Promise<PushAnswer> {
  hold(chosen.reduce((sum, { rendition }) => sum + sizeOf(media, rendition), 0));
  const boundary = randomBytes(15).toString("hex");
  const pieces: Buffer[] = [];
  for (const { name, rendition } of chosen) {
    const segment = writeRendition(media, rendition);
    const file = `"${name}_${number}.ts"`;
    const head = [
      `--${boundary}`,
      `Content-Disposition: attachment; filename=${file}`,
      `Content-Length: ${segment.length}`,
      `Content-Type: video/mp2t; name=${file}`,
      `Rendition-Name: ${name}`,
    ];
    pieces.push(Buffer.from(`${head.join("\r\n")}\r\n\r\n`), segment, Buffer.from("\r\n"));
    // Those who watch at this node are served in between.
    await nextTurn();
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/mixed; boundary=${boundary}`, body: Buffer.concat(pieces) };
}

/**
 * All renditions, or one for each profile under the profile's name. A profile is a rung's by its name, or by codec and
 * short side; one larger than the source is as large as the source, as in every ladder.
 * @throws PUSH_PROFILE_UNSOLD, PUSH_RENDITIONS_NONE
 */
export function chooseRenditions<R extends RungShape>({
  media: { picture },
  renditions,
  profiles,
}: ChoiceParts<R>): NamedRendition<R>[] {
  if (picture === undefined || profiles?.length === 0) return [];
  if (renditions.length === 0) throw new PushError({ code: "PUSH_RENDITIONS_NONE" });
  if (profiles === undefined) return renditions.map((rendition) => ({ name: rendition.name, rendition }));
  return profiles.map((profile) => {
    const byName = renditions.find(({ name, codec }) => name === profile.name && codec === profile.codec);
    const side = Math.min(shortSide(profile), shortSide(picture));
    const rendition = byName ?? renditions.find((one) => one.codec === profile.codec && isNear(shortSide(one), side));
    if (rendition === undefined) throw new PushError({ code: "PUSH_PROFILE_UNSOLD", profile: profile.name });
    return { name: profile.name, rendition };
  });
}

/** A side of 0 is left open; both: no size that any rung has. */
function shortSide({ width, height }: { readonly width: number; readonly height: number }): number {
  return Math.min(...[width, height].filter((side) => side > 0));
}

/** Sides of renditions are even. */
function isNear(left: number, right: number): boolean {
  return Math.abs(left - right) <= 1;
}

function sizeOf({ sound }: PushedMedia, { segments }: MadeRendition): number {
  const samples = [...segments.flatMap(({ frames }) => frames), ...(sound?.samples ?? [])];
  return samples.reduce((sum, { data }) => sum + data.length + PACKET_BYTES, 0);
}

/** On the publisher's clock. Where a rendition's own clock begins anew within the segment, it goes on without a gap. */
function writeRendition({ picture, sound }: PushedMedia, { segments }: MadeRendition): Buffer {
  const placed: { readonly config?: VideoConfig; readonly sample: TsSample }[] = [];
  let clock: { readonly epoch: number; readonly shift: number } | undefined;
  let endPts = picture?.pts ?? 0;
  for (const { config, frames } of segments) {
    for (const frame of frames) {
      if (clock?.epoch !== frame.epoch) clock = { epoch: frame.epoch, shift: endPts - frame.pts };
      const { dts, pts, key, data, duration } = frame;
      const sample: TsSample = { kind: "video", dts: dts + clock.shift, pts: pts + clock.shift, key, data };
      placed.push({ config, sample });
      endPts = Math.max(endPts, sample.pts + duration);
    }
  }
  for (const sample of sound?.samples ?? []) placed.push({ sample });
  placed.sort((left, right) => left.sample.dts - right.sample.dts);
  let video = segments[0]?.config;
  const muxer = new TsMuxer({ video, audio: sound?.config });
  const pieces = placed.map(({ config, sample }) => {
    if (config !== undefined && config !== video) {
      video = config;
      muxer.configure({ video, audio: sound?.config });
    }
    return muxer.write(sample);
  });
  return Buffer.concat(pieces);
}
