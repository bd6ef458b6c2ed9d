import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IceServers } from "@leat/node/media-io/webrtc/ice-servers.ts";
import type { CodedError } from "@leat/sdk/base/errors.ts";
import { withDirectory } from "../../../support/media/ffmpeg.ts";

const options = { enabled: true, stunUrls: ["stun:stun.example"], turnUrls: ["turn:turn.example"], turnSeconds: 600 };

describe("ice servers", () => {
  it("refuses a secret that is empty or cannot be read, unless WebRTC is switched off", () =>
    withDirectory(async (directory) => {
      const [empty, missing] = [join(directory, "empty"), join(directory, "missing")];
      await writeFile(empty, " \n");
      for (const [turnSecretFile, code] of [
        [empty, "WEBRTC_SECRET_EMPTY"],
        [missing, "WEBRTC_SECRET_UNREADABLE"],
      ] as const) {
        const load = new IceServers({ ...options, turnSecretFile }).load();
        await assert.rejects(load, (error: CodedError<{ code: string }>) => error.code === code);
        await new IceServers({ ...options, enabled: false, turnSecretFile }).load();
      }
    }));

  it("names STUN servers to everybody, and TURN servers with credentials to who has a session", () =>
    withDirectory(async (directory) => {
      const turnSecretFile = join(directory, "turn");
      await writeFile(turnSecretFile, "shared");
      const servers = new IceServers({ ...options, turnSecretFile });
      await servers.load();
      assert.deepEqual(servers.openLinks(), ['<stun:stun.example>; rel="ice-server"']);
      const [stun, turn] = servers.links(1_000_000);
      assert.deepEqual([stun], servers.openLinks());
      assert.match(turn!, /^<turn:turn\.example>; rel="ice-server"; username="1600:[0-9a-f]{12}"; credential="/);
    }));
});
