import { parseRtcp } from "../../node/media-io/webrtc/rtcp.ts";
import { isRtcp, parseRtp, type RtpPacket } from "../../node/media-io/webrtc/rtp.ts";
import type { DepacketizedPicture } from "../../node/media-io/whip/depacketizer.ts";
import { H264Depacketizer } from "../../node/media-io/whip/h264-depacketizer.ts";
import { Vp9Depacketizer } from "../../node/media-io/whip/vp9-depacketizer.ts";
import type { WebrtcClient } from "./webrtc-client.ts";

/** A viewer that reads what it gets. */
export class WhepViewer {
  readonly client: WebrtcClient;
  readonly packets: RtpPacket[] = [];
  readonly pictures: DepacketizedPicture[] = [];
  readonly sound: RtpPacket[] = [];
  readonly reports = new Map<"video" | "audio", { ntpMs: number; timestamp: number }>();

  constructor(client: WebrtcClient, codec: "h264" | "vp9") {
    this.client = client;
    const depacketizer = codec === "h264" ? new H264Depacketizer() : new Vp9Depacketizer();
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
