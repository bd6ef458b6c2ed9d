import type { Engine } from "../engine.ts";
import { assertProgram } from "./ffmpeg/program.ts";
import { runStored } from "./ffmpeg/stored.ts";
import { FfmpegVideo } from "./ffmpeg/video.ts";

/** The `ffmpeg` program, 5.1 or later, where the bindings do not run. Its live sources are H.264. */
export const ffmpegEngine: Engine = {
  name: "ffmpeg",
  async openVideo(spec, sink) {
    await assertProgram("ffmpeg");
    return new FfmpegVideo(spec, sink);
  },
  runStored,
};
