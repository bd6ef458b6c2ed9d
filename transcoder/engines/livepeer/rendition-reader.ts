import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Frame, isTrackConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TranscodeError } from "../../errors.ts";
import type { ResolvedRung } from "../../ladder.ts";
import { demuxFile } from "../../mpegts/demux-file.ts";
import { TsDemuxer } from "../../mpegts/demuxer.ts";
import type { MultipartPart } from "./multipart-reader.ts";

export interface Rendition {
  readonly config: VideoConfig;
  /** One for each picture that was wanted, in the order of showing. */
  readonly pictures: readonly { readonly key: boolean; readonly data: Uint8Array }[];
}

const TICKS_PER_MS = 90;
const MEDIA = "video/mp2t";
/** A part that tells where its media is, where the gateway has a store of its own. */
const ADDRESS = "application/vnd+livepeer.uri";

/**
 * The rendition of each rung. A gateway names its parts after the profiles.
 * @param wanted The pictures that were sent and asked for, as they are shown.
 * @throws TRANSCODE_GATEWAY_RENDITIONS_WRONG, _ANSWER_INVALID, _MEDIA_INVALID, _SIZE_WRONG, _PICTURES_WRONG
 */
export async function readRenditions(
  parts: readonly MultipartPart[],
  rungs: readonly ResolvedRung[],
  wanted: readonly Frame[],
): Promise<Rendition[]> {
  const named = new Map(parts.map((part) => [part.headers.get("rendition-name"), part]));
  if (parts.length !== rungs.length || rungs.some(({ name }) => !named.has(name))) {
    const [want, found] = [rungs.map(({ name }) => name), [...named.keys()].map((name) => name ?? "?")];
    throw new TranscodeError({
      code: "TRANSCODE_GATEWAY_RENDITIONS_WRONG",
      wanted: want.join(" "),
      found: found.join(" ").slice(0, 256),
    });
  }
  const renditions: Rendition[] = [];
  for (const rung of rungs) renditions.push(await readRendition(named.get(rung.name)!, rung, wanted));
  return renditions;
}

async function readRendition(part: MultipartPart, rung: ResolvedRung, wanted: readonly Frame[]): Promise<Rendition> {
  const type = part.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== MEDIA) {
    const reason =
      type === ADDRESS ? "the gateway keeps renditions in a store and tells addresses" : `a part is ${type}`;
    throw new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_INVALID", reason });
  }
  const { config, pictures } = await demux(part.body, rung.name);
  if (config.width !== rung.width || config.height !== rung.height) {
    throw new TranscodeError({
      code: "TRANSCODE_GATEWAY_SIZE_WRONG",
      rendition: rung.name,
      wanted: `${rung.width}x${rung.height}`,
      found: `${config.width}x${config.height}`,
    });
  }
  checkPictures(pictures, wanted, rung.name);
  return { config, pictures };
}

interface Picture {
  readonly dts: number;
  readonly pts: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

async function demux(body: Buffer, rendition: string): Promise<{ config: VideoConfig; pictures: Picture[] }> {
  const invalid = (reason: string, cause?: unknown) =>
    new TranscodeError({ code: "TRANSCODE_GATEWAY_MEDIA_INVALID", rendition, reason }, { cause });
  const demuxer = new TsDemuxer();
  const items = await demuxFile(demuxer, Uint8Array.from(body)).catch((error: unknown) => {
    if (!(error instanceof CodedError)) throw error;
    throw invalid(error.message, error);
  });
  const configs = items.flatMap((item) =>
    item.type === "config" && item.config.kind === "video" ? [item.config] : [],
  );
  const pictures = items.flatMap((item) => {
    if (item.type !== "video") return [];
    const { dtsMs, ctsMs, key, data } = item.sample;
    return [{ dts: dtsMs * TICKS_PER_MS, pts: (dtsMs + ctsMs) * TICKS_PER_MS, key, data }];
  });
  const [config, ...others] = configs;
  const { gaps, leftOut } = demuxer.stats;
  if (config === undefined) throw invalid("no pictures");
  if (!isTrackConfig(config) || config.codec !== "h264") throw invalid(`it is ${config.codec}`);
  if (others.length > 0) throw invalid("its configuration changes within the segment");
  if (gaps + leftOut > 0) throw invalid(`${gaps} gaps, ${leftOut} broken pictures`);
  if (!pictures[0]!.key) throw invalid("it does not begin with a key frame");
  return { config, pictures };
}

/** Each picture that was sent comes back once, at its time: the clock may be another, the steps are the same. */
function checkPictures(found: readonly Picture[], wanted: readonly Frame[], rendition: string): void {
  const wrong = (wantedText: string, foundText: string) =>
    new TranscodeError({
      code: "TRANSCODE_GATEWAY_PICTURES_WRONG",
      rendition,
      wanted: wantedText,
      found: foundText,
    });
  if (found.length !== wanted.length) throw wrong(`${wanted.length} pictures`, `${found.length} pictures`);
  const [shift, origin] = [found[0]!.pts, wanted[0]!.pts];
  for (const [index, { pts, duration }] of wanted.entries()) {
    const time = found[index]!.pts - shift;
    const due = pts - origin;
    // Nearer to its own time than to a neighbour's.
    if (Math.abs(time - due) * 2 <= Math.max(duration, TICKS_PER_MS)) continue;
    throw wrong(`picture ${index} at ${due} ticks`, `at ${Math.round(time)} ticks`);
  }
}
