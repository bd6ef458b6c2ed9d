import { parseAvcConfiguration } from "@leat/sdk/protocol/bitstream/h264.ts";
import { parseHevcConfiguration } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { joinNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";

/**
 * What stands before a key frame where a decoder must learn its configuration there: parameter sets of H.264 and HEVC.
 * Key frames of VP9 and AV1 say it themselves. Undefined where no frame can.
 */
export function inBandSets({ codec, description }: TrackConfig): Uint8Array | undefined {
  switch (codec) {
    case "h264": {
      const { sps, pps } = parseAvcConfiguration(description);
      return joinNals([...sps, ...pps]);
    }
    case "hevc":
      return joinNals(parseHevcConfiguration(description).sets);
    case "vp9":
    case "av1":
      return new Uint8Array(0);
    default:
      return undefined;
  }
}
