import { describeEngine } from "../../suites/engine.ts";

describe("transcoder/engines/node-av", () => describeEngine("node-av"));
