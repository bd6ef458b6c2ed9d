import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { FlvWriter } from "@leat/transcoder/tools/flv.ts";
import type { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import type { QueuedFrame } from "./frame-queue.ts";

/** Frames towards one server that speaks RTMP: H.264 and AAC, with a header whenever the configuration is another. */
export class RtmpTarget {
  readonly #publisher: Pick<RtmpPublisher, "send">;
  readonly #writer = new FlvWriter();
  readonly #told = new Map<TrackConfig["kind"], TrackConfig>();

  constructor(publisher: Pick<RtmpPublisher, "send">) {
    this.#publisher = publisher;
  }

  /** Resolves when there is room for the next. */
  async send({ frame, config, placed }: QueuedFrame): Promise<void> {
    if (this.#told.get(config.kind) !== config) {
      this.#told.set(config.kind, config);
      // Both tracks stand on one clock here.
      await this.#write({ type: "config", config: { ...config, timescale: VIDEO_TIMESCALE } as TrackConfig });
    }
    await this.#write({ type: "frame", frame: { ...frame, ...placed } });
  }

  async #write(item: Parameters<FlvWriter["write"]>[0]): Promise<void> {
    for (const { type, timeMs, body } of this.#writer.write(item)) await this.#publisher.send(type, timeMs, body);
  }
}
