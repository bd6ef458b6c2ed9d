import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import type { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";

describe("webrtc endpoint", () => {
  it("lets go of the native library where its port is taken: its threads would keep the process alive", async () => {
    const taken = createSocket("udp4").bind({ address: "127.0.0.1", port: 0, exclusive: true });
    await once(taken, "listening");
    const calls: string[] = [];
    const native = { preload: () => calls.push("preload"), cleanup: () => calls.push("cleanup") };
    const options = { enabled: true, host: "127.0.0.1", port: taken.address().port, publicAddresses: [] };
    const endpoint = new WebrtcEndpoint(options, silentLogger, async () => native as never);
    await assert.rejects(endpoint.start(), (error: CodedError<{ code: string }>) => error.code === "WEBRTC_PORT_BUSY");
    assert.deepEqual(calls, ["preload", "cleanup"]);
    await endpoint.stop();
    assert.deepEqual(calls, ["preload", "cleanup"]);
    taken.close();
  });
});
