import { parseRtcp } from "../../node/media-io/webrtc/rtcp.ts";
import { isRtcp, parseRtp, type RtpPacket } from "../../node/media-io/webrtc/rtp.ts";
import type { DepacketizedPicture } from "../../node/media-io/whip/depacketizer.ts";
import { H264Depacketizer } from "../../node/media-io/whip/h264-depacketizer.ts";
import { Vp9Depacketizer } from "../../node/media-io/whip/vp9-depacketizer.ts";
import { Av1Depacketizer } from "./av1-depacketizer.ts";
import type { WebrtcClient } from "./webrtc-client.ts";

const depacketizers = {
  h264: () => new H264Depacketizer(),
  vp9: () => new Vp9Depacketizer(),
  av1: () => new Av1Depacketizer(),
} as const;

/** A viewer that reads what it gets. */
export class WhepViewer {
  readonly client: WebrtcClient;
  readonly packets: RtpPacket[] = [];
  readonly pictures: DepacketizedPicture[] = [];
  readonly sound: RtpPacket[] = [];
  readonly reports = new Map<"video" | "audio", { ntpMs: number; timestamp: number }>();

  constructor(client: WebrtcClient, codec: keyof typeof depacketizers) {
    this.client = client;
    const depacketizer = depacketizers[codec]();
    let newest = -1;
    for (const kind of ["video", "audio"] as const) {
      client.hear(kind, (bytes) => {
        const packet = Uint8Array.from(bytes);
        if (isRtcp(packet)) {
          for (const item of parseRtcp(packet)) if (item.type === "senderReport") this.reports.set(kind, item);
          return;
        }
        const read = parseRtp(packet)!;
        if (kind === "audio") {
          this.sound.push(read);
          return;
        }
        this.packets.push(read);
        // What comes a second time is no picture.
        if (newest >= 0 && ((read.sequence - newest + 65_536) & 0xffff) > 32_768) return;
        newest = read.sequence;
        this.pictures.push(...depacketizer.push(read));
      });
    }
  }
}
