import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PullError } from "@leat/node/media-io/pull/errors.ts";
import { RtspClient } from "@leat/node/media-io/rtsp/client.ts";

/** A connection whose other side is the test: what it is told waits in `heard` until it is let through. */
class Wire extends Duplex {
  readonly heard: string[] = [];
  isDeaf = false;
  override _read(): void {}
  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.heard.push(chunk.toString());
    if (!this.isDeaf) done();
  }
}

function open() {
  const wire = new Wire();
  const failed = Promise.withResolvers<Error>();
  const client = new RtspClient({
    socket: wire as unknown as Socket,
    credentials: { username: "me", password: "secret" },
    onPacket: () => {},
    onFailed: failed.resolve,
  });
  return { wire, client, failed: failed.promise };
}

const asked = "GET_PARAMETER rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\n\r\n";

describe("rtsp client", () => {
  it("fails where a server asks and reads nothing of the answers", async () => {
    const { wire, failed } = open();
    wire.isDeaf = true;
    wire.push(asked.repeat(4_000));
    assert.equal(((await failed) as PullError).code, "PULL_UNREACHABLE");
    assert.ok(wire.destroyed && wire.writableLength < 66_000, `${wire.writableLength}`);
  });
});
