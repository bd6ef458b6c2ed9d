import { CodedError } from "@leat/sdk/base/errors.ts";
import { describeAv1, readTemporalUnit } from "@leat/sdk/protocol/bitstream/av1.ts";
import { hevcNalType, parseHevcConfiguration, writeHevcRecord } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { obuTypes, splitObus } from "@leat/sdk/protocol/bitstream/obu.ts";
import type { VideoCodec, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TranscodeError } from "../errors.ts";
import { insertCaptions } from "./captions.ts";
import { annexBToFrame, avcCodecString, buildAvcC, joinLengthPrefixed, splitAnnexB } from "./h264.ts";
import { describeVp9 } from "./vp9.ts";

const HEVC_VPS = 32;
const HEVC_SPS = 33;
const HEVC_PPS = 34;
const HEVC_DELIMITER = 35;
/** These stand in the configuration, or have no place in MP4. */
const hevcLeftOut: readonly number[] = [HEVC_VPS, HEVC_SPS, HEVC_PPS, HEVC_DELIMITER];

/**
 * The configuration box's body and the codec string of what an encoder makes.
 * @param head Where its parameter sets or its sequence header stand: what it says of itself, or its first key frame.
 * @throws TRANSCODE_BITSTREAM_INVALID
 */
export function describeCoded(
  codec: VideoCodec,
  head: Uint8Array,
  fps: number,
): Pick<VideoConfig, "description" | "codecString"> {
  switch (codec) {
    case "h264": {
      const description = buildAvcC(splitAnnexB(head));
      return { description, codecString: avcCodecString(description) };
    }
    case "vp9":
      return describeVp9(head, fps);
    case "hevc":
      return understand(codec, () => describeHevc(head));
    case "av1":
      return understand(codec, () => {
        const header = splitObus(head).find(({ type }) => type === obuTypes.sequenceHeader);
        if (header === undefined) throw invalid(codec, "no sequence header");
        const { description, codecString } = describeAv1(header);
        return { description, codecString };
      });
  }
}

/** One picture as an encoder wrote it, as frames hold it. Captions go with H.264 alone. */
export function toFrameData(codec: VideoCodec, coded: Uint8Array, captions: readonly Uint8Array[]): Uint8Array {
  switch (codec) {
    case "h264":
      return insertCaptions(annexBToFrame(coded), captions);
    case "hevc":
      return joinLengthPrefixed(splitAnnexB(coded).filter((unit) => !hevcLeftOut.includes(hevcNalType(unit))));
    case "av1":
      return understand(codec, () => readTemporalUnit(coded, false).data);
    case "vp9":
      return coded;
  }
}

function describeHevc(head: Uint8Array): Pick<VideoConfig, "description" | "codecString"> {
  const units = splitAnnexB(head);
  const [vps, sps, pps] = [HEVC_VPS, HEVC_SPS, HEVC_PPS].map((type) =>
    units.filter((one) => hevcNalType(one) === type),
  );
  const description = writeHevcRecord(vps!, sps!, pps!);
  return { description, codecString: parseHevcConfiguration(description).codecString };
}

/** An encoder's output that cannot be read is the encoder's fault, and no bug of this process. */
function understand<T>(codec: VideoCodec, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CodedError) || error instanceof TranscodeError) throw error;
    throw invalid(codec, error.message);
  }
}

function invalid(codec: VideoCodec, reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_BITSTREAM_INVALID", codec, reason });
}
