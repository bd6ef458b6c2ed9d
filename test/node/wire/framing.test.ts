import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { createNodeKey, toLibp2pKey } from "../../../node/kernel/keys.ts";
import { WireError } from "../../../node/wire/errors.ts";
import type { FramedStream } from "../../../node/wire/framing.ts";
import { defaultFramingLimits, type FramingLimits } from "../../../node/wire/framing-limits.ts";
import type { HostService } from "../../../node/wire/host.ts";
import { WireHosts } from "../../support/wire-hosts.ts";

const PROTOCOL = "/leat/test/1.0.0";
const limits: FramingLimits = { ...defaultFramingLimits, maxMessageBytes: 8_388_608 };
const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;

describe("framing", () => {
  const hosts = new WireHosts();
  afterEach(() => hosts.stopAll());

  /** Two started hosts and both ends of one stream between them. */
  async function connect(
    options: { near?: Partial<FramingLimits>; far?: Partial<FramingLimits> } = {},
  ): Promise<{ near: FramedStream; far: FramedStream; dialer: HostService; listener: HostService }> {
    const dialer = hosts.create();
    const listener = hosts.create();
    const { promise, resolve } = Promise.withResolvers<FramedStream>();
    listener.handle(PROTOCOL, { limits: { ...limits, ...options.far }, maxStreams: 64 }, resolve);
    await Promise.all([dialer.start(), listener.start()]);
    const near = await dialer.open(PROTOCOL, listener.address, listener.multiaddrs(), {
      limits: { ...limits, ...options.near },
      maxStreams: 64,
    });
    // The far end learns of the stream when it is written to.
    await near.send(Uint8Array.of(1));
    const far = await promise;
    assert.deepEqual(await take(far), Uint8Array.of(1));
    return { near, far, dialer, listener };
  }

  it("brings messages of all sizes whole and in order, both ways", async () => {
    const { near, far } = await connect();
    const sizes = [1, 2, 255, 65_536, 1_000_000, 8_388_608, 3];
    const sent = sizes.map((size) => new Uint8Array(randomBytes(size)));
    const sending = Promise.all(sent.flatMap((message) => [near.send(message), far.send([message])]));
    for (const message of sent) {
      assert.equal(Buffer.compare(await take(far), message), 0);
      assert.equal(Buffer.compare(await take(near), message), 0);
    }
    await sending;
  });

  for (const way of ["together", "one after the other"]) {
    it(`writes messages once that are sent ${way} while nothing else runs`, async () => {
      const { far: found, dialer, listener } = await connectRaw({});
      const raw = await rawStream(dialer, listener);
      const stream = await found;
      const messages = Array.from({ length: 100 }, (_, at) => new Uint8Array(20).fill(at));
      let [frames, bytes] = [0, 0];
      const all = Promise.withResolvers<void>();
      raw.addEventListener("message", ({ data }) => {
        frames += 1;
        bytes += data.byteLength;
        if (bytes === messages.length * 24) all.resolve();
      });
      raw.send(Uint8Array.of(0, 0, 0, 1, 7));
      await take(stream);
      if (way === "together") await Promise.all(messages.map((message) => stream.send(message)));
      else for (const message of messages) await stream.send(message);
      await all.promise;
      assert.equal(frames, 1);
      raw.abort(new Error("done"));
    });
  }

  it("sends all that was sent in one go before a goodbye", async () => {
    const { near, far } = await connect();
    const sent = Promise.all([2, 3, 4].map((byte) => near.send(Uint8Array.of(byte))));
    const reading = collect(far);
    await sent;
    await near.close();
    assert.deepEqual(
      await reading,
      [2, 3, 4].map((byte) => Uint8Array.of(byte)),
    );
  });

  it("knows both peers by their addresses", async () => {
    const { near, far, dialer, listener } = await connect();
    assert.equal(near.remoteAddress, listener.address);
    assert.equal(far.remoteAddress, dialer.address);
  });

  it("ends cleanly for both when one says goodbye, after all that was sent", async () => {
    const { near, far } = await connect();
    const message = new Uint8Array(randomBytes(500_000));
    await near.send(message);
    const closed = near.close();
    assert.equal((await take(far)).byteLength, message.byteLength);
    assert.deepEqual(await collect(far), []);
    await closed;
    assert.equal(await near.ended, undefined);
    assert.equal(await far.ended, undefined);
    await assert.rejects(far.send(Uint8Array.of(1)), codeIs("WIRE_STREAM_CLOSED"));
  });

  it("lets both ends close at once", async () => {
    const { near, far } = await connect();
    await Promise.all([near.close(), far.close(), near.close()]);
    assert.equal(await near.ended, undefined);
    assert.equal(await far.ended, undefined);
  });

  it("brings what was sent before an abort", async () => {
    const { near, far } = await connect();
    await near.send(Uint8Array.of(2));
    near.abort(new WireError({ code: "WIRE_MESSAGE_EMPTY" }));
    assert.deepEqual(await take(far), Uint8Array.of(2));
    await assert.rejects(take(far), codeIs("WIRE_STREAM_RESET"));
  });

  it("shows an abort to both ends as an error", async () => {
    const { near, far } = await connect();
    const reading = collect(far);
    const reason = new WireError({ code: "WIRE_MESSAGE_EMPTY" });
    near.abort(reason);
    await assert.rejects(reading, codeIs("WIRE_STREAM_RESET"));
    assert.equal(await near.ended, reason);
    await assert.rejects(near.send(Uint8Array.of(1)), reason);
  });

  it("shows a lost connection as an error", async () => {
    const { near, far, dialer, listener } = await connect();
    const reading = collect(far);
    for (const connection of dialer.node.getConnections()) connection.abort(new Error("cable cut"));
    await assert.rejects(
      reading,
      (error: unknown) => isCodedError(error) && /^WIRE_(CONNECTION_LOST|STREAM_RESET)$/.test(error.code),
    );
    assert.notEqual(await near.ended, undefined);
    assert.equal(listener.node.getConnections().length, 0);
  });

  it("makes a fast sender wait for a slow reader", async () => {
    const { near, far } = await connect({ far: { maxQueuedBytes: 100_000 } });
    const message = new Uint8Array(100_000);
    const total = 200;
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent += 1) await near.send(message);
    })();
    // Until the sender stands still: what fits is the window, the buffers and the queue, never all 20 MB.
    let before = -1;
    while (sent !== before) {
      before = sent;
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent < total / 2, `${sent} of ${total} were taken without a reader`);
    for (let received = 0; received < total; received += 1) assert.equal((await take(far)).byteLength, 100_000);
    await sending;
  });

  it("cuts off a peer that announces too large a message, before holding it", async () => {
    const { near, far } = await connect({ far: { maxMessageBytes: 1_000 } });
    await near.send(new Uint8Array(1_001));
    assert.ok(codeIs("WIRE_MESSAGE_TOO_LARGE")(await far.ended));
    assert.ok(codeIs("WIRE_STREAM_RESET")(await near.ended));
  });

  it("refuses to send what the peer would refuse", async () => {
    const { near } = await connect({ near: { maxMessageBytes: 10 } });
    await assert.rejects(near.send(new Uint8Array(11)), codeIs("WIRE_MESSAGE_UNSENDABLE"));
    await assert.rejects(near.send(new Uint8Array(0)), codeIs("WIRE_MESSAGE_UNSENDABLE"));
  });

  it("cuts off a peer that never says anything", async () => {
    const dialer = hosts.create();
    const listener = hosts.create();
    const { promise, resolve } = Promise.withResolvers<FramedStream>();
    listener.handle(PROTOCOL, { limits: { ...limits, firstMessageMs: 30 }, maxStreams: 4 }, resolve);
    await Promise.all([dialer.start(), listener.start()]);
    const raw = await rawStream(dialer, listener);
    const far = await promise;
    assert.ok(codeIs("WIRE_PEER_SLOW")(await far.ended));
    raw.abort(new Error("done"));
  });

  it("cuts off a slowloris", async () => {
    const { far, dialer, listener } = await connectRaw({ restOfMessageMs: 60 });
    const raw = await rawStream(dialer, listener);
    const stream = await far;
    raw.send(Uint8Array.of(0, 0, 0, 1, 7));
    assert.deepEqual(await take(stream), Uint8Array.of(7));
    raw.send(Uint8Array.of(0, 0, 1, 0));
    const dripping = setInterval(() => {
      if (raw.status === "open") raw.send(Uint8Array.of(1));
    }, 5);
    try {
      assert.ok(codeIs("WIRE_PEER_SLOW")(await stream.ended));
    } finally {
      clearInterval(dripping);
    }
  });

  it("tells a message that was cut short from a goodbye", async () => {
    const { far, dialer, listener } = await connectRaw({});
    const raw = await rawStream(dialer, listener);
    const stream = await far;
    raw.send(Uint8Array.of(0, 0, 0, 9, 1, 2));
    await raw.close();
    assert.ok(codeIs("WIRE_MESSAGE_CUT")(await stream.ended));
  });

  it("survives garbage", async () => {
    const { far, dialer, listener } = await connectRaw({ restOfMessageMs: 50 });
    const raw = await rawStream(dialer, listener);
    const stream = await far;
    raw.send(Uint8Array.of(0xff, ...randomBytes(5_000)));
    assert.ok(codeIs("WIRE_MESSAGE_TOO_LARGE")(await stream.ended));
  });

  it("cuts off a peer that stops reading", async () => {
    const { far: found, dialer, listener } = await connectRaw({ sendMs: 50 });
    const raw = await rawStream(dialer, listener);
    const far = await found;
    raw.send(Uint8Array.of(0, 0, 0, 1, 7));
    raw.pause();
    const flood = (async () => {
      for (;;) await far.send(new Uint8Array(1_000_000));
    })();
    await assert.rejects(flood, codeIs("WIRE_PEER_SLOW"));
  });

  it("cuts off a peer that does not answer a goodbye", async () => {
    const { far: found, dialer, listener } = await connectRaw({ closeMs: 30 });
    const raw = await rawStream(dialer, listener);
    const far = await found;
    await far.close();
    assert.ok(codeIs("WIRE_PEER_SLOW")(await far.ended));
    raw.abort(new Error("done"));
  });

  async function connectRaw(far: Partial<FramingLimits>) {
    const dialer = hosts.create();
    const listener = hosts.create();
    const { promise, resolve } = Promise.withResolvers<FramedStream>();
    listener.handle(PROTOCOL, { limits: { ...limits, ...far }, maxStreams: 4 }, resolve);
    await Promise.all([dialer.start(), listener.start()]);
    return { far: promise, dialer, listener };
  }

  /** A stream without framing: a peer that does as it likes. */
  async function rawStream(dialer: HostService, listener: HostService) {
    const connection = await dialer.node.dial(listener.node.getMultiaddrs());
    return connection.newStream(PROTOCOL);
  }
});

describe("host", () => {
  const hosts = new WireHosts();
  afterEach(() => hosts.stopAll());

  it("refuses a peer that is another than was wanted", async () => {
    const [dialer, listener] = [hosts.create(), hosts.create()];
    await Promise.all([dialer.start(), listener.start()]);
    const stranger = createNodeKey(randomBytes(32));
    const open = (multiaddrs: string[]) =>
      dialer.open(PROTOCOL, stranger.address, multiaddrs, { limits, maxStreams: 1 });
    await assert.rejects(open(listener.multiaddrs()), codeIs("WIRE_ADDRESS_MISSING"));
    const id = toLibp2pKey(stranger).publicKey.toCID().toString();
    await assert.rejects(open([listener.multiaddrs()[0]!.replace(/p2p\/.*/, `p2p/${id}`)]), codeIs("WIRE_DIAL_FAILED"));
    await assert.rejects(open(["nonsense", "/ip4/127.0.0.1/tcp/1"]), codeIs("WIRE_ADDRESS_MISSING"));
  });

  it("keeps a banned peer out", async () => {
    const [dialer, listener] = [hosts.create(), hosts.create()];
    listener.handle(PROTOCOL, { limits, maxStreams: 1 }, () => {});
    await Promise.all([dialer.start(), listener.start()]);
    listener.scores.add(dialer.address, 100);
    const opening = dialer.open(PROTOCOL, listener.address, listener.multiaddrs(), { limits, maxStreams: 1 });
    await assert.rejects(opening, codeIs("WIRE_DIAL_FAILED"));
  });

  it("says which port is busy", async () => {
    const first = hosts.create();
    await first.start();
    const listen = first.node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, ""));
    const second = hosts.create({ listen });
    await assert.rejects(second.start(), codeIs("WIRE_PORT_BUSY"));
  });

  it("stops twice, before start, and with streams open", async () => {
    const never = hosts.create();
    await never.stop();
    const [dialer, listener] = [hosts.create({ dht: "client" }), hosts.create({ dht: "server" })];
    listener.handle(PROTOCOL, { limits, maxStreams: 1 }, () => {});
    await Promise.all([dialer.start(), listener.start()]);
    const stream = await dialer.open(PROTOCOL, listener.address, listener.multiaddrs(), { limits, maxStreams: 1 });
    await stream.send(Uint8Array.of(1));
    await listener.stop();
    await listener.stop();
    await stream.ended;
  });
});

async function take(stream: FramedStream): Promise<Uint8Array> {
  for await (const message of stream.messages) return message;
  throw new Error("the stream ended");
}

async function collect(stream: FramedStream): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for await (const message of stream.messages) messages.push(message);
  return messages;
}
