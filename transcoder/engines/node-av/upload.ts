import type { AVPixelFormat } from "node-av/constants";
import { AV_HWDEVICE_TYPE_VAAPI, AV_PIX_FMT_NV12, AV_PIX_FMT_VAAPI, AV_PIX_FMT_YUV420P } from "node-av/constants";
import { FFmpegError, HardwareDeviceContext, HardwareFramesContext, Frame as Picture } from "node-av/lib";
import { kindOf } from "../../encoders.ts";
import { TranscodeError } from "../../errors.ts";

/** The order of planes that an encoder takes. */
export function pixelFormatOf(encoder: string): AVPixelFormat {
  const kind = kindOf(encoder);
  return kind === "qsv" || kind === "vaapi" ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P;
}

const POOL_PICTURES = 8;

/** Pictures in the memory of a chip whose encoders take nothing else: VAAPI's. */
export class Upload {
  readonly format = AV_PIX_FMT_VAAPI;
  readonly frames = new HardwareFramesContext();
  readonly #device = new HardwareDeviceContext();

  constructor(codec: string, width: number, height: number) {
    try {
      check(codec, this.#device.create(AV_HWDEVICE_TYPE_VAAPI));
      this.frames.alloc(this.#device);
      this.frames.format = AV_PIX_FMT_VAAPI;
      this.frames.swFormat = AV_PIX_FMT_NV12;
      this.frames.width = width;
      this.frames.height = height;
      this.frames.initialPoolSize = POOL_PICTURES;
      check(codec, this.frames.init());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A copy of `picture` there, with its times. */
  load(codec: string, picture: Picture): Picture {
    const loaded = new Picture();
    loaded.alloc();
    check(codec, this.frames.getBuffer(loaded));
    check(codec, this.frames.transferDataSync(loaded, picture));
    loaded.copyProps(picture);
    return loaded;
  }

  close(): void {
    this.frames.free();
    this.#device.free();
  }
}

/** The encoder for which pictures must be there first. */
export const needsUpload = (encoder: string): boolean => kindOf(encoder) === "vaapi";

function check(codec: string, result: number): void {
  if (result >= 0) return;
  throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec, reason: new FFmpegError(result).message });
}
