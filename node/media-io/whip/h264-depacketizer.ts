import { BitReader } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { hasIdr, parseAvcConfiguration, writeAvcRecord } from "@leat/sdk/protocol/bitstream/h264.ts";
import { NalDepacketizer, type NalFormat } from "./nal-depacketizer.ts";

const SPS = 7;
const PPS = 8;
const DELIMITER = 9;
const FILLER = 12;
const STAP_A = 24;
const FU_A = 28;

/** RFC 6184, its packetization modes 0 and 1. */
const format: NalFormat = {
  codec: "h264",
  headBytes: 1,
  typeOf: (unit) => (unit[0] ?? 0) & 0x1f,
  isUnit: (type) => type >= 1 && type < STAP_A,
  aggregate: STAP_A,
  fragment: FU_A,
  headOf: (payload) => Uint8Array.of((payload[0]! & 0xe0) | (payload[1]! & 0x1f)),
  sets: [SPS, PPS],
  // Profile and level stand before the number of an SPS.
  numberOf: (set) => new BitReader(set.subarray((set[0]! & 0x1f) === SPS ? 4 : 1)).unsigned(),
  ignored: [DELIMITER, FILLER],
  isSlice: (type) => type >= 1 && type <= 5,
  isKey: hasIdr,
  writeRecord: ([sps = [], pps = []]) => writeAvcRecord(sps, pps),
  parseRecord: parseAvcConfiguration,
};

/** H.264 out of its packets. */
export class H264Depacketizer extends NalDepacketizer {
  /** `parameters`: the offer's, which may carry parameter sets that the packets then do not. */
  constructor(parameters = "") {
    const [, sets = ""] = /(?:^|;)\s*sprop-parameter-sets=([A-Za-z0-9+/=,]+)/.exec(parameters) ?? [];
    super(
      format,
      sets.split(",").map((set) => Buffer.from(set, "base64")),
    );
  }
}
