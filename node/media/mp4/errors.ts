import { CodedError } from "@leat/sdk/base/errors.ts";

/** Why fragmented MP4 of somebody else's making cannot be read. */
export class Mp4Error extends CodedError<
  | { code: "MP4_INIT_INVALID"; box: string }
  | { code: "MP4_FRAGMENT_INVALID"; box: string }
  | { code: "MP4_ENCRYPTED"; entry: string }
  | { code: "MP4_SAMPLES_EXCEEDED" | "MP4_BOXES_EXCEEDED"; limit: number }
> {}
