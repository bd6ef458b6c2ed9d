import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { HlsSegment, HlsWindow } from "./stream.ts";

const namedByTime = /^(\d{1,15})-(\d{1,15})\.m4s$/;

/** As manifests of DASH name segments, and no playlist of HLS does. */
export function isNamedByTime(file: string): boolean {
  return namedByTime.test(file);
}

/** `<sequence>.m4s`, or `<epoch>-<start>.m4s`. */
export function findSegment(window: HlsWindow, name: string, file: string): HlsSegment | undefined {
  const [, first, start] = /^(\d{1,15})(?:-(\d{1,15}))?\.m4s$/.exec(file) ?? [];
  if (first === undefined) return undefined;
  return start === undefined
    ? window.segment(name, Number(first))
    : window.segmentAt(name, Number(first), Number(start));
}

/** The same of one that is being written, which DASH alone asks for: players of HLS have its parts. */
export function findOpen(window: HlsWindow, name: string, file: string): Pick<HlsSegment, "sequence"> | undefined {
  const [, epoch, start] = namedByTime.exec(file) ?? [];
  return epoch === undefined ? undefined : window.openAt(name, Number(epoch), Number(start));
}

/** Seconds that media of a rung plays; of sound beside a picture none, as that is not watched twice. */
export function durationOf(window: HlsWindow, info: RenditionInfo, durationTicks: number): number {
  const isBeside = info.kind === "audio" && window.renditions.some(({ kind }) => kind === "video");
  const timescale = window.timescaleOf(info.name);
  return isBeside || timescale === undefined ? 0 : durationTicks / timescale;
}
