import assert from "node:assert/strict";
import { once } from "node:events";
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

  it("says who we are anew where the last that it told was not believed, and not where nothing was asked", async () => {
    const { wire, client } = open();
    const say = async (number: number, nonce: string) => {
      const taken = once(wire, "data");
      wire.push(`RTSP/1.0 401 No\r\nCSeq: ${number}\r\nWWW-Authenticate: Digest realm="r", nonce="${nonce}"\r\n\r\n`);
      await taken;
      client.tell("OPTIONS", "rtsp://h/x");
      return /nonce="(\w*)"/.exec(wire.heard.at(-1)!)?.[1];
    };
    assert.equal(await say(7, "unasked"), undefined);
    assert.equal(await say(1, "first"), "first");
    assert.equal(await say(1, "again"), "first");
    assert.equal(await say(2, "older"), "first");
    assert.equal(await say(4, "last"), "last");
  });
});
