import type { AVColorSpace, AVPixelFormat } from "node-av/constants";
import { AV_FRAME_FLAG_INTERLACED, AV_PIX_FMT_YUV420P, AVCOL_SPC_RGB, AVCOL_SPC_UNSPECIFIED } from "node-av/constants";
import { Frame as Picture, SoftwareScaleContext } from "node-av/lib";

/** Brings pictures of any size and format to one size, 8-bit 4:2:0 in the target's order of planes. */
export class Scaler {
  readonly #context = new SoftwareScaleContext();

  constructor() {
    this.#context.allocContext();
    this.#context.setOption("sws_flags", "bicubic");
  }

  scaleSync(target: Picture, source: Picture): number {
    prepare(target, source);
    return this.#context.scaleFrameSync(target, source);
  }

  scale(target: Picture, source: Picture): Promise<number> {
    prepare(target, source);
    return this.#context.scaleFrame(target, source);
  }

  close(): void {
    this.#context.freeContext();
  }
}

export function newPicture(width: number, height: number, format: AVPixelFormat = AV_PIX_FMT_YUV420P): Picture {
  const picture = new Picture();
  picture.alloc();
  picture.format = format;
  picture.width = width;
  picture.height = height;
  picture.getBuffer();
  return picture;
}

/** What a picture of `space` is called once it is 4:2:0: no longer RGB, whatever it was. */
export function targetSpace(space: AVColorSpace): AVColorSpace {
  return space === AVCOL_SPC_RGB ? AVCOL_SPC_UNSPECIFIED : space;
}

function prepare(target: Picture, source: Picture): void {
  target.colorSpace = targetSpace(source.colorSpace);
  // The scaler refuses a pair of which one is interlaced. Both fields are scaled as one picture.
  source.clearFlags(AV_FRAME_FLAG_INTERLACED);
}
