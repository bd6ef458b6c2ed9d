import { vp9Level } from "@leat/sdk/protocol/vp9-level.ts";
import { TranscodeError } from "../errors.ts";

export interface Vp9Header {
  readonly profile: number;
  readonly bitDepth: number;
  /** As vpcC counts: 0 and 1 are 4:2:0, 2 is 4:2:2, 3 is 4:4:4. */
  readonly chroma: number;
  readonly fullRange: boolean;
  readonly matrix: number;
  readonly width: number;
  readonly height: number;
}

/** VP9's color_space, as ISO 23091-2 matrix coefficients. */
const MATRIX = [2, 6, 1, 6, 7, 9, 2, 0] as const;

/** What the uncompressed header of a VP9 key frame says. */
export function readVp9KeyFrame(frame: Uint8Array): Vp9Header {
  let at = 0;
  const read = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1) {
      value = value * 2 + (((frame[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
      at += 1;
    }
    return value;
  };
  if (read(2) !== 2) throw invalid("no frame marker");
  const profile = read(1) + 2 * read(1);
  if (profile === 3) read(1);
  if (read(1) === 1 || read(1) === 1) throw invalid("no key frame");
  read(2);
  if (read(24) !== 0x498342) throw invalid("no sync code");
  const bitDepth = profile >= 2 ? (read(1) === 1 ? 12 : 10) : 8;
  const colorSpace = read(3);
  let chroma = 1;
  let fullRange = true;
  if (colorSpace !== 7) {
    fullRange = read(1) === 1;
    if (profile % 2 === 1) {
      chroma = read(1) === 1 ? (read(1) === 1 ? 1 : 2) : 3;
      read(1);
    }
  } else chroma = 3;
  if (profile % 2 === 1 && colorSpace === 7) read(1);
  return {
    profile,
    bitDepth,
    chroma,
    fullRange,
    matrix: MATRIX[colorSpace] ?? 2,
    width: read(16) + 1,
    height: read(16) + 1,
  };
}

/** The vpcC body, with its version and flag bytes, and the codec string. */
export function describeVp9(keyFrame: Uint8Array, fps: number): { description: Uint8Array; codecString: string } {
  const header = readVp9KeyFrame(keyFrame);
  const level = vp9Level(header.width, header.height, fps);
  const depth = (header.bitDepth << 4) | (header.chroma << 1) | (header.fullRange ? 1 : 0);
  const color = header.matrix;
  // 2 is "unspecified" for primaries and transfer, which VP9 itself does not carry.
  const primaries = color === 1 ? 1 : 2;
  const description = Uint8Array.of(1, 0, 0, 0, header.profile, level, depth, primaries, primaries, color, 0, 0);
  const two = (value: number) => String(value).padStart(2, "0");
  return { description, codecString: `vp09.${two(header.profile)}.${two(level)}.${two(header.bitDepth)}` };
}

function invalid(reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_BITSTREAM_INVALID", codec: "vp9", reason });
}
