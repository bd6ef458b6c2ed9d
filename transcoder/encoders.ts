import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { EngineName } from "./engine.ts";

/** One maker's or system's way to a chip. */
export type ChipKind = "qsv" | "nvenc" | "vaapi" | "videotoolbox";
/** What does the work: the processor, a chip, or somebody else. */
export type EncoderKind = "software" | ChipKind | "gateway";

export interface KnownEncoder {
  readonly encoder: string;
  readonly codec: VideoCodec;
  readonly kind: EncoderKind;
}

/** Encoders that have a live preset, named as FFmpeg names them; a codec's software encoder stands first. */
export const knownEncoders: readonly KnownEncoder[] = [
  { encoder: "libx264", codec: "h264", kind: "software" },
  { encoder: "libx265", codec: "hevc", kind: "software" },
  { encoder: "libvpx-vp9", codec: "vp9", kind: "software" },
  { encoder: "libsvtav1", codec: "av1", kind: "software" },
  { encoder: "h264_qsv", codec: "h264", kind: "qsv" },
  { encoder: "hevc_qsv", codec: "hevc", kind: "qsv" },
  { encoder: "vp9_qsv", codec: "vp9", kind: "qsv" },
  { encoder: "av1_qsv", codec: "av1", kind: "qsv" },
  { encoder: "h264_nvenc", codec: "h264", kind: "nvenc" },
  { encoder: "hevc_nvenc", codec: "hevc", kind: "nvenc" },
  { encoder: "av1_nvenc", codec: "av1", kind: "nvenc" },
  { encoder: "h264_vaapi", codec: "h264", kind: "vaapi" },
  { encoder: "hevc_vaapi", codec: "hevc", kind: "vaapi" },
  { encoder: "vp9_vaapi", codec: "vp9", kind: "vaapi" },
  { encoder: "av1_vaapi", codec: "av1", kind: "vaapi" },
  { encoder: "h264_videotoolbox", codec: "h264", kind: "videotoolbox" },
  { encoder: "hevc_videotoolbox", codec: "hevc", kind: "videotoolbox" },
];

/** What a gateway's orchestrators encode with is theirs to choose. They say of no codec but H.264 that they encode it. */
const gatewayEncoder: KnownEncoder = { encoder: "livepeer", codec: "h264", kind: "gateway" };

/** The program is the engine of machines without the bindings: it runs software alone. */
export function encodersOf(engine: EngineName): readonly KnownEncoder[] {
  if (engine === "livepeer") return [gatewayEncoder];
  return engine === "ffmpeg" ? knownEncoders.filter(({ kind }) => kind === "software") : knownEncoders;
}

export function softwareEncoderOf(codec: VideoCodec): string {
  return knownEncoders.find((one) => one.codec === codec && one.kind === "software")!.encoder;
}

export function kindOf(encoder: string): EncoderKind {
  return [...knownEncoders, gatewayEncoder].find((one) => one.encoder === encoder)?.kind ?? "software";
}

export function isChip(kind: EncoderKind): kind is ChipKind {
  return kind !== "software" && kind !== "gateway";
}
