import { BitstreamError } from "./bit-reader.ts";

/** What every message between nodes allows; no encoder makes larger pictures live. */
const MAX_SIDE = 16_384;

export function checkPictureSize<S extends { readonly width: number; readonly height: number }>(size: S): S {
  for (const side of [size.width, size.height]) {
    if (side < 1 || side > MAX_SIDE) {
      throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "picture size", found: side });
    }
  }
  return size;
}
