import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { isChip, kindOf } from "./encoders.ts";
import type { EncoderReport } from "./probe.ts";

/** Which of a codec's proven encoders works: the fastest, a chip's wherever one was proven, or none but software. */
export type EncoderPreference = "fastest" | "hardware" | "software";

export interface PickedEncoders {
  /** One for each codec that can be encoded at all, in the order of the reports. */
  readonly encoders: readonly EncoderReport[];
  /** Chips' encoders that are not used, and why. */
  readonly passedOver: readonly { readonly encoder: string; readonly reason: string }[];
}

/**
 * H.264 in software at 80 Mpx/s and by QSV at 300: QSV with `fastest` and `hardware`, libx264 with `software`. By NVENC
 * that crashed: libx264 with all three.
 */
export function pickEncoders(reports: readonly EncoderReport[], preference: EncoderPreference): PickedEncoders {
  const codecs = [...new Set(reports.map(({ codec }) => codec))];
  const encoders = codecs.flatMap((codec) => pickOne(reports, codec, preference) ?? []);
  const passedOver = reports.flatMap((report) => {
    const { encoder, codec } = report;
    if (!isHardware(report) || encoders.includes(report)) return [];
    const winner = encoders.find((one) => one.codec === codec);
    if (!report.works) return [{ encoder, reason: report.reason ?? "it does not work" }];
    return [
      { encoder, reason: winner && isHardware(winner) ? `${winner.encoder} is faster` : whySoftware(preference) },
    ];
  });
  return { encoders, passedOver };
}

function pickOne(
  reports: readonly EncoderReport[],
  codec: VideoCodec,
  preference: EncoderPreference,
): EncoderReport | undefined {
  const working = reports.filter((one) => one.codec === codec && one.works);
  const software = working.filter((one) => !isHardware(one));
  const hardware = working.filter(isHardware);
  const wanted = { fastest: working, hardware: hardware.length > 0 ? hardware : software, software }[preference];
  return wanted.toSorted((left, right) => right.pixelsPerSecond - left.pixelsPerSecond)[0];
}

const isHardware = ({ encoder }: EncoderReport) => isChip(kindOf(encoder));

const whySoftware = (preference: EncoderPreference) =>
  preference === "software" ? "the settings want software" : "software is faster here";
