import { BitReader } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { hasIrap, hevcNalType, parseHevcConfiguration, writeHevcRecord } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { NalDepacketizer, type NalFormat } from "../whip/nal-depacketizer.ts";

const VPS = 32;
const SPS = 33;
const PPS = 34;
const DELIMITER = 35;
const FILLER = 38;
const AGGREGATE = 48;
const FRAGMENT = 49;

/** RFC 7798, without numbers of the decoding order. */
const format: NalFormat = {
  codec: "hevc",
  headBytes: 2,
  typeOf: (unit) => (unit.length === 0 ? 0 : hevcNalType(unit)),
  isUnit: (type) => type < AGGREGATE,
  aggregate: AGGREGATE,
  fragment: FRAGMENT,
  headOf: (payload) => Uint8Array.of((payload[0]! & 0x81) | ((payload[2]! & 0x3f) << 1), payload[1]!),
  sets: [VPS, SPS, PPS],
  numberOf: (set) => {
    const type = hevcNalType(set);
    // The number of an SPS stands behind all that it says of profiles: there is one, and the newest holds.
    if (type === SPS) return 0;
    const reader = new BitReader(set.subarray(2));
    return type === VPS ? reader.bits(4) : reader.unsigned();
  },
  ignored: [DELIMITER, FILLER],
  isSlice: (type) => type < VPS,
  isKey: hasIrap,
  writeRecord: ([vps = [], sps = [], pps = []]) => writeHevcRecord(vps, sps, pps),
  parseRecord: parseHevcConfiguration,
};

/** HEVC out of its packets. */
export class HevcDepacketizer extends NalDepacketizer {
  /** `parameters`: the description's, which may carry parameter sets. */
  constructor(parameters = "") {
    const offered = ["vps", "sps", "pps"].flatMap((name) => {
      const [, sets = ""] = new RegExp(`(?:^|;)\\s*sprop-${name}=([A-Za-z0-9+/=,]+)`).exec(parameters) ?? [];
      return sets.split(",").map((set) => Buffer.from(set, "base64"));
    });
    super(format, offered);
  }
}
