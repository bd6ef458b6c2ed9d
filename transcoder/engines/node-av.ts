import { AV_LOG_ERROR } from "node-av/constants";
import { Log } from "node-av/lib";
import type { AudioEngine, Engine } from "../engine.ts";
import { NodeAvAudio } from "./node-av/audio.ts";
import { runStored } from "./node-av/stored.ts";
import { NodeAvVideo } from "./node-av/video.ts";

Log.setLevel(AV_LOG_ERROR);

/** FFmpeg 8 as prebuilt bindings. Imported by forked workers only: native code never runs in the importing process. */
export const nodeAvEngine: Engine & AudioEngine = {
  name: "node-av",
  openVideo: (spec, sink) => new NodeAvVideo(spec, sink),
  openAudio: (spec, sink) => new NodeAvAudio(spec, sink),
  runStored,
};
