import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CreatedStream } from "../../../sdk/client/actions/streams.ts";
import { type Coming, type PatternFiles, shape } from "./pattern.ts";

/** A program that publishes, and that is started again for as long as a server does not let it in. */
export interface Publishing {
  /** Rejects where it has no more to send. */
  readonly spent: Promise<never>;
  /** How many pictures of its file it did not send so far, by its own count. */
  leftOut(): Promise<number>;
  /** Cuts it off as a lost network or a crash would: without a word. */
  drop(): Promise<void>;
}

export interface PublishScene {
  readonly url: string;
  readonly coming: Coming;
  readonly files: PatternFiles;
}

/** A program of others, and one of the ways in. */
export interface Way<Scene extends PublishScene = PublishScene> {
  readonly name: string;
  readonly urlOf: (created: CreatedStream) => string | undefined;
  readonly start: (scene: Scene) => Publishing;
  /**
   * When it has said at the latest how its sound and its pictures belong together. Before, a node can but put them by
   * when they came, and the first picture of an encoder takes its time.
   */
  readonly settledS?: number;
}

const encoded = [
  ...["-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-b:v", "600k", "-pix_fmt", "yuv420p"],
  ...["-c:a", "aac", "-b:a", "96k", "-ar", "48000", "-ac", "2"],
];
const rtmp = (scheme: string) => (created: CreatedStream) =>
  created.ingestUrls.find((url) => url.startsWith(`${scheme}:`));
const srt = ({ srtUrls }: CreatedStream) => srtUrls[0];
export const whip = ({ whipUrls }: CreatedStream) => whipUrls[0];
const whipMuxer = fileURLToPath(new URL("../whip-publisher.ts", import.meta.url));

export const ways: readonly Way[] = [
  { name: "ffmpeg by RTMP", urlOf: rtmp("rtmp"), start: byFfmpeg("flv") },
  { name: "ffmpeg by RTMPS", urlOf: rtmp("rtmps"), start: byFfmpeg("flv") },
  { name: "ffmpeg by SRT", urlOf: srt, start: byFfmpeg("mpegts") },
  {
    name: "GStreamer by RTMP",
    urlOf: rtmp("rtmp"),
    start: byGstreamer("flvmux name=to streamable=true ! rtmp2sink location"),
  },
  { name: "GStreamer by SRT", urlOf: srt, start: byGstreamer("mpegtsmux name=to alignment=7 ! srtsink uri") },
  { name: "FFmpeg 8's muxer by WHIP", urlOf: whip, start: byWhipMuxer },
];

/** The ffmpeg program, with its encoder's own pictures that refer to later ones. */
function byFfmpeg(format: "flv" | "mpegts") {
  return ({ url, coming, files }: PublishScene) =>
    keepRunning("ffmpeg", ["-v", "error", "-nostdin", "-re", "-i", files[coming].flv, ...encoded, "-f", format, url]);
}

/** Paced by its sink: a muxer that is given pictures late puts them where the sound has come to. */
function byGstreamer(sink: string) {
  return ({ url, coming, files }: PublishScene) => {
    const patient = "queue max-size-time=3000000000 max-size-buffers=0 max-size-bytes=0";
    const pipeline = [
      `-q filesrc location=${files[coming].flv} ! decodebin name=from`,
      `from. ! queue ! videoconvert ! videorate ! video/x-raw,framerate=${shape.fps}/1`,
      `! x264enc speed-preset=veryfast key-int-max=30 bitrate=600 ! h264parse ! ${patient} ! to.`,
      `from. ! queue ! audioconvert ! audioresample ! avenc_aac ! aacparse ! ${patient} ! to.`,
      `${sink}=${url} sync=true`,
    ];
    return keepRunning("gst-launch-1.0", pipeline.join(" ").split(" "));
  };
}

function byWhipMuxer({ url, coming, files }: PublishScene): Publishing {
  return keepRunning(process.execPath, [whipMuxer, files[coming].mp4, url]);
}

function keepRunning(program: string, flags: readonly string[]): Publishing {
  let isOver = false;
  let child = spawn(program, flags, { stdio: "ignore" });
  const spent = Promise.withResolvers<never>();
  // Nobody may wait for it yet.
  spent.promise.catch(() => undefined);
  const ended = (async () => {
    for (;;) {
      const [code] = await once(child, "exit");
      if (code === 0) spent.reject(new Error(`${program} has sent all of its file`));
      if (isOver || code === 0) return;
      // Whoever was there before holds the stream for three seconds after its last picture.
      child = spawn(program, flags, { stdio: "ignore" });
    }
  })();
  return {
    spent: spent.promise,
    leftOut: async () => 0,
    async drop() {
      isOver = true;
      child.kill("SIGKILL");
      await ended;
    },
  };
}
