import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { chooseEngine, type Probe } from "@leat/transcoder/choose-engine.ts";
import type { EngineName } from "@leat/transcoder/engine.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";

const report = (works: boolean) => ({ codec: "h264", encoder: "e", works, pixelsPerSecond: works ? 9 : 0 }) as const;

/** A machine on which these engines load, and on which of these an encoder works. */
function machine(engines: Partial<Record<EngineName, boolean>>): { probe: Probe } {
  const probe: Probe = async ({ engine }) => {
    const works = engines[engine];
    if (works !== undefined) return [report(works)];
    throw new TranscodeError(
      engine === "ffmpeg"
        ? { code: "TRANSCODE_PROGRAM_MISSING", program: "ffmpeg", install: "apt-get install ffmpeg" }
        : { code: "TRANSCODE_ENGINE_MISSING", engine, install: "npm ci" },
    );
  };
  return { probe };
}

const withCode = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;

describe("transcoder/choose-engine", () => {
  it("prefers the bindings, and takes the program where they do not work", async () => {
    assert.equal((await chooseEngine("auto", machine({ "node-av": true, ffmpeg: true }))).engine, "node-av");
    assert.equal((await chooseEngine("auto", machine({ "node-av": false, ffmpeg: true }))).engine, "ffmpeg");
    assert.deepEqual(await chooseEngine("auto", machine({ ffmpeg: true })), {
      engine: "ffmpeg",
      encoders: [report(true)],
      passedOver: [],
    });
  });

  it("takes a gateway where it is asked for one that works, and never by itself", async () => {
    const gateway = { url: "http://127.0.0.1:9935", timeoutMs: 8_000 };
    const asked: unknown[] = [];
    const probe: Probe = async (options) => {
      asked.push(options);
      return [report(true)];
    };
    assert.equal((await chooseEngine("livepeer", { probe, gateway, prefer: "software" })).engine, "livepeer");
    assert.equal((await chooseEngine("auto", { probe, gateway })).engine, "node-av");
    assert.deepEqual(asked, [{ engine: "livepeer", gateway }, { engine: "node-av" }]);
    await assert.rejects(chooseEngine("livepeer", { probe }), withCode("TRANSCODE_GATEWAY_UNSET"));
    await assert.rejects(
      chooseEngine("livepeer", { ...machine({ livepeer: false, "node-av": true }), gateway }),
      withCode("TRANSCODE_ENCODER_FAILED"),
    );
  });

  it("says what is missing, of the engine that was asked for and of the last resort", async () => {
    await assert.rejects(
      chooseEngine("node-av", machine({ ffmpeg: true })),
      (error) => error instanceof TranscodeError && "install" in error.detail && error.detail.install === "npm ci",
    );
    await assert.rejects(chooseEngine("ffmpeg", machine({ "node-av": true })), withCode("TRANSCODE_PROGRAM_MISSING"));
    await assert.rejects(chooseEngine("auto", machine({})), withCode("TRANSCODE_PROGRAM_MISSING"));
    await assert.rejects(chooseEngine("ffmpeg", machine({ ffmpeg: false })), withCode("TRANSCODE_ENCODER_FAILED"));
  });
});
