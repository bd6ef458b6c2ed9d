import { parseAudioSpecificConfig } from "@leat/sdk/protocol/bitstream/aac.ts";
import { OPUS_SAMPLE_RATE, opusPacketSamples, parseOpusHead } from "@leat/sdk/protocol/bitstream/opus.ts";
import type { AudioConfig } from "@leat/sdk/protocol/frame.ts";

/** One codec's configuration records and packets. */
export interface AudioReader {
  /** Throws BitstreamError for what cannot be read. */
  configure(record: Uint8Array): AudioConfig;
  isPacket(data: Uint8Array): boolean;
}

/** By their four letters. */
export const audioReaders: Readonly<Record<string, AudioReader>> = {
  mp4a: {
    configure(record) {
      const { sampleRate, channels, codecString } = parseAudioSpecificConfig(record);
      const description = Uint8Array.from(record);
      return { kind: "audio", codec: "aac", timescale: sampleRate, sampleRate, channels, description, codecString };
    },
    isPacket: (data) => data.length > 0,
  },
  Opus: {
    configure(record) {
      const rates = { timescale: OPUS_SAMPLE_RATE, sampleRate: OPUS_SAMPLE_RATE };
      return { kind: "audio", codec: "opus", ...rates, ...parseOpusHead(record), codecString: "opus" };
    },
    isPacket: (data) => opusPacketSamples(data) !== undefined,
  },
};
