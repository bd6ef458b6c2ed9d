import type { PublishedAudio, PublishedVideo, PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";

/** Keeps all that a publisher sent. */
export class RecorderSink implements PublishSink {
  readonly configs: TrackConfig[] = [];
  readonly videos: PublishedVideo[] = [];
  readonly audios: PublishedAudio[] = [];
  readonly ended = Promise.withResolvers<{ clean: boolean }>();
  readonly firstVideo = Promise.withResolvers<void>();
  ends = 0;

  config(_kind: string, config: TrackConfig) {
    this.configs.push(config);
  }
  video(sample: PublishedVideo) {
    this.videos.push(sample);
    this.firstVideo.resolve();
  }
  audio(sample: PublishedAudio) {
    this.audios.push(sample);
  }
  end(how: { clean: boolean }) {
    this.ends += 1;
    this.ended.resolve(how);
  }
}
