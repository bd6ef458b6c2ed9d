import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { mediaProtocolOptions } from "../../../../node/wire/media/connection.ts";
import {
  type FrameMessage,
  MEDIA_PROTOCOL,
  type MediaConnection,
  type MediaMessage,
  type SubscribeMessage,
} from "../../../../node/wire/media/message.ts";
import { WireHosts } from "../../../support/wire-hosts.ts";

const hash: Hex = `0x${"11".repeat(32)}`;
const subscribe: SubscribeMessage = {
  type: "subscribe",
  assignment: {
    value: { job: hash, attempt: 1, node: `0x${"22".repeat(20)}`, quoteHash: hash, firstFrame: 0n, validUntil: 1n },
    signature: `0x${"33".repeat(65)}`,
  },
  quote: {
    node: `0x${"22".repeat(20)}`,
    payer: `0x${"44".repeat(20)}`,
    token: `0x${"55".repeat(20)}`,
    specHash: hash,
    pricesHash: hash,
    maxUnits: 1n,
    validUntil: 1n,
    nonce: 1n,
  },
  spec: { stream: hash, primitive: "delivery" },
  fromSequence: 0,
};
const frameOf = (dts: number, size: number): FrameMessage => ({
  type: "frame",
  rung: 1,
  sequence: 7,
  frame: {
    kind: "video",
    epoch: 0,
    dts,
    pts: dts,
    duration: 3_000,
    key: dts === 0,
    configVersion: 1,
    arrivalMs: 1_700_000_000_000,
    data: new Uint8Array(size).fill(dts),
  },
});
const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;
const isBroken = (error: unknown) =>
  isCodedError(error) && (error.code === "WIRE_CONNECTION_LOST" || error.code === "WIRE_STREAM_RESET");

describe("media connections", () => {
  const hosts = new WireHosts();
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    await hosts.stopAll();
  });

  async function pair(onMedia: (connection: MediaConnection) => void) {
    const [edge, origin] = [hosts.create(), hosts.create()];
    origin.onMedia(onMedia);
    await Promise.all([edge.start(), origin.start()]);
    return { edge, origin, open: () => edge.openMedia(origin.multiaddrs(), origin.address) };
  }

  async function startChild(): Promise<{ child: ChildProcess; address: Hex; multiaddrs: string[] }> {
    const child = fork(new URL("../../../support/media-peer-process.ts", import.meta.url));
    children.push(child);
    const [ready] = await once(child, "message");
    return { child, ...(ready as { address: Hex; multiaddrs: string[] }) };
  }

  it("subscribe, stream and end", async () => {
    const frames = Array.from({ length: 300 }, (_, index) => frameOf(index * 3_000, 1 + index * 50));
    const { open } = await pair((connection) => {
      void (async () => {
        const first = await take(connection);
        assert.deepEqual(first, subscribe);
        await connection.send({ type: "accepted" });
        for (const frame of frames) await connection.send(frame);
        await connection.send({ type: "end", code: "STREAM_ENDED" });
        await connection.close();
      })();
    });
    const connection = await open();
    await connection.send(subscribe);
    assert.deepEqual(await take(connection), { type: "accepted" });
    const received = await collect(connection);
    assert.deepEqual(received, [...frames, { type: "end", code: "STREAM_ENDED" }]);
    assert.equal(await connection.ended, undefined);
  });

  it("run twenty at once between two peers, each at its own pace", async () => {
    const count = 60;
    const { open } = await pair((connection) => {
      void (async () => {
        const message = await take(connection);
        assert.ok(message.type === "subscribe");
        for (let index = 0; index < count; index += 1) await connection.send(frameOf(message.fromSequence, 50_000));
        await connection.close();
      })();
    });
    const streams = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const connection = await open();
        await connection.send({ ...subscribe, fromSequence: index });
        return connection;
      }),
    );
    // Nobody reads the first: the others must not wait for it.
    const others = await Promise.all(streams.slice(1).map(collect));
    for (const [index, messages] of others.entries()) {
      assert.equal(messages.length, count);
      assert.ok(messages.every((message) => message.type === "frame" && message.frame.dts === index + 1));
    }
    assert.equal((await collect(streams[0]!)).length, count);
  });

  it("hold a sender back while nobody reads", async () => {
    let sent = 0;
    const { open } = await pair((connection) => {
      void (async () => {
        await take(connection);
        for (; sent < 400; sent += 1) await connection.send(frameOf(sent, 100_000));
        await connection.close();
      })();
    });
    const connection = await open();
    await connection.send(subscribe);
    let before = -1;
    while (sent !== before) {
      before = sent;
      for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent < 200, `${sent} of 400 frames left without a reader`);
    assert.equal((await collect(connection)).length, 400);
  });

  it("tell an abort to the other side", async () => {
    const far = Promise.withResolvers<MediaConnection>();
    const { open } = await pair(far.resolve);
    const connection = await open();
    await connection.send(subscribe);
    const reading = collect(await far.promise);
    connection.abort(new Error("enough"));
    await assert.rejects(reading, codeIs("WIRE_STREAM_RESET"));
  });

  it("break on garbage and keep the peer that goes on with it out", async () => {
    const far: MediaConnection[] = [];
    const { edge, origin } = await pair((connection) => {
      far.push(connection);
      collect(connection).catch(() => {});
    });
    for (let round = 0; round < 2; round += 1) {
      const raw = await edge.open(MEDIA_PROTOCOL, origin.address, origin.multiaddrs(), mediaProtocolOptions);
      await raw.send(Uint8Array.of(99, 1, 2, 3));
      assert.ok(isBroken(await raw.ended));
      assert.ok(codeIs("WIRE_MESSAGE_INVALID")(await far[round]!.ended));
    }
    assert.ok(origin.scores.isBanned(edge.address));
  });

  it("break promptly when the other process is killed, and end when it stops", async () => {
    const edge = hosts.create();
    await edge.start();
    for (const signal of ["SIGKILL", undefined] as const) {
      const { child, address, multiaddrs } = await startChild();
      const connection = await edge.openMedia(multiaddrs, address);
      await connection.send(subscribe);
      assert.deepEqual(await take(connection), { type: "accepted" });
      assert.equal((await take(connection)).type, "frame");
      const reading = collect(connection);
      if (signal !== undefined) {
        child.kill(signal);
        await assert.rejects(reading, isBroken);
        await assert.rejects(connection.send({ type: "end", code: "TOO_LATE" }), isBroken);
      } else {
        child.send("stop");
        await reading;
        assert.equal(await connection.ended, undefined);
      }
    }
  });

  it("move media (rate printed, not judged)", async function () {
    const count = 2_000;
    const { open } = await pair((connection) => {
      void (async () => {
        await take(connection);
        for (let index = 0; index < count; index += 1) await connection.send(frameOf(index, 50_000));
        await connection.close();
      })();
    });
    const connection = await open();
    await connection.send(subscribe);
    const startMs = performance.now();
    let bytes = 0;
    for await (const message of connection.messages)
      if (message.type === "frame") bytes += message.frame.data.byteLength;
    assert.equal(bytes, count * 50_000);
    const megabytesPerSecond = bytes / 1_000 / (performance.now() - startMs);
    this.test!.title += `: ${megabytesPerSecond.toFixed(0)} MB/s, both ends in one process`;
  });
});

async function take(connection: MediaConnection): Promise<MediaMessage> {
  for await (const message of connection.messages) return message;
  throw new Error("the connection ended");
}

async function collect(connection: MediaConnection): Promise<MediaMessage[]> {
  const messages: MediaMessage[] = [];
  for await (const message of connection.messages) messages.push(message);
  return messages;
}
