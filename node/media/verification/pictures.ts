import {
  type Av1Facts,
  findSequenceHeader,
  parseAv1SequenceHeader,
  readTemporalUnit,
} from "@leat/sdk/protocol/bitstream/av1.ts";
import { BitReader } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { hasIdr, parseAvcConfiguration, parseSps } from "@leat/sdk/protocol/bitstream/h264.ts";
import { hasIrap, hevcNalType, parseHevcConfiguration, parseHevcSps } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import { parseVp9Header, splitSuperframe } from "@leat/sdk/protocol/bitstream/vp9.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { CheckCode } from "./types.ts";

/** What is wrong with a rung's pictures, as read from the bitstream and not from what is claimed of it. */
export interface PictureFault {
  readonly code: CheckCode;
  readonly wanted?: string;
  readonly found?: string;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** What every codec's headers tell of the pictures. */
interface PictureFacts extends Size {
  /** 1 is 4:2:0. */
  readonly chromaFormat: number;
  readonly bitDepth: number;
}

const NAL_SLICE = 1;
const NAL_IDR = 5;
const NAL_SPS = 7;
const HEVC_SPS = 33;
const LAST_HEVC_SLICE = 31;

/** Throws BitstreamError for what cannot be read. */
export function findPictureFault(config: VideoConfig, frames: readonly Frame[], size: Size): PictureFault | undefined {
  if (config.width !== size.width || config.height !== size.height) return wrongSize(size, config);
  switch (config.codec) {
    case "h264":
      return findH264Fault(config, frames, size);
    case "vp9":
      return findVp9Fault(config, frames, size);
    case "hevc":
      return findHevcFault(config, frames, size);
    case "av1":
      return findAv1Fault(config, frames, size);
  }
}

function findH264Fault(config: VideoConfig, frames: readonly Frame[], size: Size): PictureFault | undefined {
  const configuration = parseAvcConfiguration(config.description);
  for (const set of configuration.sps) {
    const fault = findFormatFault(parseSps(set), size);
    if (fault !== undefined) return fault;
  }
  for (const frame of frames) {
    const nals = splitNals(frame.data);
    // Parameter sets within the stream replace the configuration's: they must say the same.
    for (const nal of nals) {
      const fault = (nal[0]! & 0x1f) === NAL_SPS ? findFormatFault(parseSps(nal), size) : undefined;
      if (fault !== undefined) return fault;
    }
    if (countPictures(nals) !== 1)
      return { code: "CHECK_FRAMES", wanted: "1 picture", found: `${countPictures(nals)}` };
    if (hasIdr(nals) !== frame.key) return { code: "CHECK_KEYFRAME", found: `pts ${frame.pts}` };
  }
  return undefined;
}

function findFormatFault(facts: PictureFacts, size: Size): PictureFault | undefined {
  if (facts.chromaFormat !== 1 || facts.bitDepth !== 8) {
    return { code: "CHECK_FORMAT", found: `chroma ${facts.chromaFormat}, ${facts.bitDepth} bits` };
  }
  return facts.width === size.width && facts.height === size.height ? undefined : wrongSize(size, facts);
}

/** Slices whose first macroblock is the picture's first: one for each picture. */
function countPictures(nals: readonly Uint8Array[]): number {
  return nals.filter((nal) => {
    const type = nal[0]! & 0x1f;
    return (type === NAL_SLICE || type === NAL_IDR) && new BitReader(nal.subarray(1)).unsigned() === 0;
  }).length;
}

function findVp9Fault(config: VideoConfig, frames: readonly Frame[], size: Size): PictureFault | undefined {
  const [, , , , profile, , packed] = config.description;
  // vpcC: 4 bytes of version and flags, profile, level, then bit depth (4 bits), chroma (3), range (1).
  const chroma = ((packed ?? 0) >> 1) & 7;
  if (profile !== 0 || (packed ?? 0) >> 4 !== 8 || chroma > 1) {
    return { code: "CHECK_FORMAT", found: `profile ${profile}, ${(packed ?? 0) >> 4} bits, chroma ${chroma}` };
  }
  for (const frame of frames) {
    let shown = 0;
    let key = false;
    for (const part of splitSuperframe(frame.data)) {
      const header = parseVp9Header(part);
      if (header.profile !== 0 || header.bitDepth !== 8 || !header.is420) {
        return { code: "CHECK_FORMAT", found: `profile ${header.profile}` };
      }
      if (header.width !== undefined && (header.width !== size.width || header.height !== size.height)) {
        return wrongSize(size, { width: header.width, height: header.height ?? 0 });
      }
      if (header.shown) shown += 1;
      key ||= header.key;
    }
    if (shown !== 1) return { code: "CHECK_FRAMES", wanted: "1 picture", found: `${shown}` };
    if (key !== frame.key) return { code: "CHECK_KEYFRAME", found: `pts ${frame.pts}` };
  }
  return undefined;
}

function findHevcFault(config: VideoConfig, frames: readonly Frame[], size: Size): PictureFault | undefined {
  const { sets } = parseHevcConfiguration(config.description);
  const findSetFault = (nal: Uint8Array) =>
    hevcNalType(nal) === HEVC_SPS ? findFormatFault(parseHevcSps(nal), size) : undefined;
  for (const set of sets) {
    const fault = findSetFault(set);
    if (fault !== undefined) return fault;
  }
  for (const frame of frames) {
    const nals = splitNals(frame.data);
    for (const nal of nals) {
      const fault = findSetFault(nal);
      if (fault !== undefined) return fault;
    }
    // Behind two bytes of NAL header the first bit says that the slice is its picture's first.
    const pictures = nals.filter((nal) => hevcNalType(nal) <= LAST_HEVC_SLICE && (nal[2]! & 0x80) !== 0).length;
    if (pictures !== 1) return { code: "CHECK_FRAMES", wanted: "1 picture", found: `${pictures}` };
    if (hasIrap(nals) !== frame.key) return { code: "CHECK_KEYFRAME", found: `pts ${frame.pts}` };
  }
  return undefined;
}

function findAv1Fault(config: VideoConfig, frames: readonly Frame[], size: Size): PictureFault | undefined {
  const header = findSequenceHeader(config.description);
  if (header === undefined) return { code: "CHECK_FORMAT", found: "av1C without a sequence header" };
  const fault = findSequenceFault(parseAv1SequenceHeader(header.payload), size);
  if (fault !== undefined) return fault;
  for (const frame of frames) {
    const { key, shown, sequenceHeader } = readTemporalUnit(frame.data, false);
    // One within the stream replaces the configuration's: it must say the same.
    const replaced = sequenceHeader && findSequenceFault(parseAv1SequenceHeader(sequenceHeader.payload), size);
    if (replaced !== undefined) return replaced;
    if (shown !== 1) return { code: "CHECK_FRAMES", wanted: "1 picture", found: `${shown}` };
    if (key !== frame.key) return { code: "CHECK_KEYFRAME", found: `pts ${frame.pts}` };
  }
  return undefined;
}

function findSequenceFault(facts: Av1Facts, size: Size): PictureFault | undefined {
  const { profile, isMonochrome, isReduced, subsamplingX, subsamplingY } = facts;
  // A sequence of one picture has frames without a type.
  if (isReduced) return { code: "CHECK_FORMAT", found: "one picture" };
  if (profile !== 0 || isMonochrome) return { code: "CHECK_FORMAT", found: `profile ${profile}` };
  return findFormatFault({ ...facts, chromaFormat: subsamplingX + subsamplingY === 2 ? 1 : 0 }, size);
}

function wrongSize(wanted: Size, found: Size): PictureFault {
  return { code: "CHECK_SIZE", wanted: `${wanted.width}x${wanted.height}`, found: `${found.width}x${found.height}` };
}
