import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_PKT_FLAG_CORRUPT,
  AVERROR_EOF,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
} from "node-av/constants";
import type { Packet, Stream } from "node-av/lib";
import { FormatContext } from "node-av/lib";
import { TranscodeError } from "../../errors.ts";
import { describeFault } from "./codec.ts";

const DEFAULT_FPS = { num: 30, den: 1 } as const;
const FPS_LIMIT = 240;

/** A media file's best video track and best audio track. */
export class FileInput {
  readonly video: Stream;
  readonly audio: Stream | undefined;
  readonly #path: string;
  readonly #format = new FormatContext();
  #videoPackets = 0;
  #isLastCorrupt = false;

  constructor(path: string) {
    this.#path = path;
    const opened = this.#format.openInputSync(path);
    if (opened < 0) throw this.#unreadable(describeFault(opened));
    try {
      const found = this.#format.findStreamInfoSync();
      if (found < 0) throw this.#unreadable(describeFault(found));
      const streams = this.#format.streams;
      const video = streams[this.#format.findBestStream(AVMEDIA_TYPE_VIDEO)];
      // A cover picture is no video.
      if (!video || video.hasDisposition(AV_DISPOSITION_ATTACHED_PIC)) {
        throw new TranscodeError({ code: "TRANSCODE_INPUT_NO_VIDEO", input: path });
      }
      const { width, height } = video.codecpar;
      if (width < 2 || height < 2) throw this.#unreadable("its video has no size");
      this.video = video;
      const audio = streams[this.#format.findBestStream(AVMEDIA_TYPE_AUDIO)];
      this.audio = audio && audio.codecpar.sampleRate > 0 && audio.codecpar.channels > 0 ? audio : undefined;
    } catch (error) {
      this.#format.closeInputSync();
      throw error;
    }
  }

  get fps(): { num: number; den: number } {
    const { avgFrameRate, rFrameRate } = this.video;
    for (const rate of [avgFrameRate, rFrameRate]) {
      if (rate.num > 0 && rate.den > 0 && rate.num / rate.den <= FPS_LIMIT) return { num: rate.num, den: rate.den };
    }
    return DEFAULT_FPS;
  }

  /** The next packet of either track; false at the end. A file that ends before its own index says so is refused. */
  read(packet: Packet): boolean {
    for (;;) {
      const result = this.#format.readFrameSync(packet);
      if (result < 0) {
        this.#assertWhole(result);
        return false;
      }
      if (packet.streamIndex === this.video.index) {
        this.#videoPackets += 1;
        this.#isLastCorrupt = packet.hasFlags(AV_PKT_FLAG_CORRUPT);
        return true;
      }
      if (packet.streamIndex === this.audio?.index) return true;
      packet.unref();
    }
  }

  close(): void {
    this.#format.closeInputSync();
  }

  #assertWhole(result: number): void {
    const framesDeclared = Number(this.video.nbFrames);
    const framesFound = this.#videoPackets;
    // Transport streams mark packets after any loss; in other files a marked last packet is one that was cut.
    const isCut = result !== AVERROR_EOF || (this.#isLastCorrupt && this.#format.iformat?.name !== "mpegts");
    if (!isCut && framesFound >= framesDeclared * 0.9) return;
    throw new TranscodeError({ code: "TRANSCODE_INPUT_TRUNCATED", input: this.#path, framesDeclared, framesFound });
  }

  #unreadable(reason: string): TranscodeError {
    return new TranscodeError({ code: "TRANSCODE_INPUT_UNREADABLE", input: this.#path, reason });
  }
}
