import { describeEngine } from "../../suites/engine.ts";

describe("transcoder/engines/ffmpeg", () => describeEngine("ffmpeg"));
