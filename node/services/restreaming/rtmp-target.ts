import type { ChosenTracks } from "@leat/node/media-io/playout/choose-tracks.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { type AmfValue, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { FlvWriter } from "@leat/transcoder/tools/flv.ts";
import type { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import type { QueuedFrame } from "./frame-queue.ts";

/** Type of a message that describes the stream. */
const DATA = 18;
/** FLV's numbers of H.264 and AAC. */
const AVC_ID = 7;
const AAC_ID = 10;

/** Frames towards one server that speaks RTMP: H.264 and AAC, with a header whenever the configuration is another. */
export class RtmpTarget {
  readonly #publisher: Pick<RtmpPublisher, "send">;
  readonly #writer = new FlvWriter();
  readonly #told = new Map<TrackConfig["kind"], TrackConfig>();

  constructor(publisher: Pick<RtmpPublisher, "send">) {
    this.#publisher = publisher;
  }

  /** Says what comes, before it does: some platforms wait for that. */
  async describe(renditions: readonly RenditionInfo[], tracks: ChosenTracks): Promise<void> {
    const infoOf = (wanted: number | undefined) => renditions.find(({ rung }) => rung === wanted);
    const [video, audio] = [infoOf(tracks.video), infoOf(tracks.audio)];
    const known = {
      ...(video && { width: video.width, height: video.height, videocodecid: AVC_ID }),
      ...(video && { videodatarate: video.bitrate / 1_000 }),
      ...(audio && { audiocodecid: AAC_ID, audiodatarate: audio.bitrate / 1_000 }),
      encoder: "leat",
    };
    const told = new Map<string, AmfValue>(Object.entries(known).filter(([, value]) => value !== undefined));
    await this.#publisher.send(DATA, 0, encodeAmf(["@setDataFrame", "onMetaData", told]));
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
