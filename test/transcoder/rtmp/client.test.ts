import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { HANDSHAKE_BYTES, RtmpClient, type RtmpFaults, readPlace } from "@leat/transcoder/rtmp/client.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { RtmpSource, statusOf } from "../../support/rtmp-source.ts";

const faults: RtmpFaults = {
  refused: (status, description) => new Error(`refused ${status}: ${description}`),
  lost: (reason) => new Error(`lost: ${reason}`),
};

/** The other side takes nothing. */
class Deaf extends Duplex {
  override _read(): void {}
  override _write(): void {}
}

describe("rtmp client", () => {
  let server: RtmpSource;

  beforeEach(async () => {
    server = await RtmpSource.open();
  });
  afterEach(() => server.close());

  async function open(): Promise<RtmpClient> {
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    return new RtmpClient({ socket, faults });
  }

  it("hears a refusal of its connection, and of its stream", async () => {
    for (const refused of ["connect", "createStream"]) {
      server.onCommand = (name, player) => {
        if (name === refused)
          player.answer("_error", player.call, null, statusOf("error", "NetConnection.Call.Failed"));
        return name === refused;
      };
      const client = await open();
      const opened = client.start(new Map([["app", "live"]])).then(() => client.createStream());
      await assert.rejects(opened, { message: "refused NetConnection.Call.Failed: the words of it" });
      assert.equal(client.failed?.message, "refused NetConnection.Call.Failed: the words of it");
    }
    server.onCommand = (name, player) => {
      player.answer("_error", player.call, null, statusOf("error", "NetConnection.Connect.InvalidApp"));
      return name === "connect";
    };
    await assert.rejects(RtmpPublisher.open(server.url()), {
      detail: { code: "PUBLISH_REFUSED", status: "NetConnection.Connect.InvalidApp", description: "the words of it" },
    });
  });

  it("takes the number of its stream only where it is one", async () => {
    for (const [said, taken] of [
      [7, 7],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [-1, 1],
      [2 ** 32, 1],
      [0.5, 1],
      ["7", 1],
    ] as const) {
      server.onCommand = (name, player) => {
        if (name === "createStream") player.answer("_result", player.call, null, said);
        return name === "createStream";
      };
      const client = await open();
      await client.start(new Map());
      assert.equal(await client.createStream(), taken, `${said}`);
      client.fail(new Error("over"));
    }
  });

  it("fails with all that waits where the server leaves or makes no sense", async () => {
    server.onCommand = (_name, { socket }) => {
      socket.destroy();
      return true;
    };
    await assert.rejects((await open()).start(new Map()), /^Error: lost/);
    server.onCommand = (_name, player) => {
      // A chunk that goes on with a message that never began.
      player.write(Uint8Array.of(0xc9));
      return true;
    };
    await assert.rejects((await open()).start(new Map()), { message: "lost: RTMP_CHUNK_HEADER_MISSING" });
    server.onConnection = (socket) => socket.write("220 mail.test ESMTP\r\n");
    await assert.rejects((await open()).start(new Map()), { message: "lost: another protocol" });
  });

  it("fails where a server has it answer and reads nothing of that", async () => {
    const deaf = new Deaf();
    const failed = Promise.withResolvers<Error>();
    const client = new RtmpClient({ socket: deaf as unknown as Socket, faults, onFailed: failed.resolve });
    client.start(new Map()).catch(() => {});
    deaf.push(Buffer.concat([Uint8Array.of(3), new Uint8Array(2 * HANDSHAKE_BYTES)]));
    const ping = writeMessage(2, messageTypes.userControl, 0, Uint8Array.of(0, 6, 0, 0, 0, 1));
    // As many as are answered in 64 KiB, and one; what comes behind them is not looked at.
    const answers = Math.ceil(65_536 / ping.length);
    deaf.push(Buffer.concat(Array.from({ length: answers + 100 }, () => ping)));
    assert.equal((await failed.promise).message, "lost: the server reads nothing");
    assert.ok(deaf.destroyed && deaf.writableLength < 80_000, `${deaf.writableLength}`);
  });

  it("reads the first part of a path as the application, and all that follows as the stream's name", () => {
    assert.deepEqual(readPlace("/live/a/b?c=d"), { app: "live", name: "a/b?c=d" });
    for (const path of ["", "/", "/live", "/live/", "//x"]) assert.equal(readPlace(path), undefined, path);
  });
});
