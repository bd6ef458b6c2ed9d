import { concatBytes, uint32 } from "@leat/sdk/base/bytes.ts";
import type { AudioConfig, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { box, fullBox, uint8, uint16, zeros } from "./box.ts";

/**
 * The box that names the codec. H.264 and HEVC use the entries whose parameter sets stand in the init segment alone
 * (avc1, hvc1): players that cannot take in-band sets play them.
 */
const videoEntries = {
  h264: { entry: "avc1", configuration: "avcC" },
  hevc: { entry: "hvc1", configuration: "hvcC" },
  vp9: { entry: "vp09", configuration: "vpcC" },
  av1: { entry: "av01", configuration: "av1C" },
} as const;

/** Where sets stand with the pictures as well. */
const inBandEntries: Partial<Record<VideoConfig["codec"], string>> = { h264: "avc3", hevc: "hev1" };

export function sampleEntry(config: TrackConfig, inBand = false): Uint8Array {
  return config.kind === "video" ? visualEntry(config, inBand) : audioEntry(config);
}

function visualEntry(config: VideoConfig, inBand: boolean): Uint8Array {
  const { entry, configuration } = videoEntries[config.codec];
  return box(
    (inBand ? inBandEntries[config.codec] : undefined) ?? entry,
    zeros(6),
    uint16(1), // data reference index
    zeros(16),
    uint16(config.width, config.height),
    uint32(0x00480000, 0x00480000, 0), // 72 dpi, reserved
    uint16(1), // frames a sample
    zeros(32), // compressor name
    uint16(0x0018, 0xffff), // depth 24, pre-defined -1
    box(configuration, config.description),
    box("pasp", uint32(1, 1)),
  );
}

function audioEntry(config: AudioConfig): Uint8Array {
  const head = concatBytes([
    zeros(6),
    uint16(1),
    zeros(8),
    uint16(config.channels, 16),
    zeros(4),
    // 16.16 fixed point: rates above 65,535 do not fit, and readers take the codec's own configuration instead.
    uint32(config.sampleRate < 65_536 ? config.sampleRate * 65_536 : 0),
  ]);
  if (config.codec === "opus") return box("Opus", head, box("dOps", config.description));
  return box("mp4a", head, elementaryStream(config.description));
}

/** esds: the MPEG-4 descriptors around an AudioSpecificConfig. */
function elementaryStream(specific: Uint8Array): Uint8Array {
  const decoderSpecific = descriptor(0x05, specific);
  const decoderConfig = descriptor(
    0x04,
    concatBytes([
      uint8(0x40, 0x15, 0, 0, 0), // AAC, audio stream, buffer size unknown
      uint32(0, 0), // maximum and average bit rate: unknown
      decoderSpecific,
    ]),
  );
  const layer = descriptor(0x06, uint8(0x02));
  return fullBox("esds", 0, 0, descriptor(0x03, concatBytes([uint16(1), uint8(0), decoderConfig, layer])));
}

function descriptor(tag: number, body: Uint8Array): Uint8Array {
  const size = body.length;
  return concatBytes([
    uint8(tag, 0x80 | ((size >> 21) & 0x7f), 0x80 | ((size >> 14) & 0x7f), 0x80 | ((size >> 7) & 0x7f), size & 0x7f),
    body,
  ]);
}
