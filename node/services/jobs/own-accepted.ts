import type { LiveFrames } from "@leat/node/media/live-frames.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";

/** What an edge of the origin's own process is welcomed with: it follows frames there, and gets none by messages. */
export class OwnAccepted {
  readonly type = "accepted" satisfies MediaMessage["type"];
  readonly frames: LiveFrames;

  constructor(frames: LiveFrames) {
    this.frames = frames;
  }
}
