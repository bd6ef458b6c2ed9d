import assert from "node:assert/strict";
import { assertProgram } from "@leat/transcoder/engines/ffmpeg/program.ts";

describe("transcoder/engines/ffmpeg/program", () => {
  const { PATH } = process.env;

  afterEach(() => {
    process.env.PATH = PATH;
  });

  it("names the install line of a program that is missing", async () => {
    process.env.PATH = "/nonexistent";
    await assert.rejects(assertProgram("ffmpeg"), {
      detail: { code: "TRANSCODE_PROGRAM_MISSING", program: "ffmpeg", install: "apt-get install ffmpeg" },
    });
  });

  it("takes the program that is here", () => assertProgram("ffmpeg"));
});
