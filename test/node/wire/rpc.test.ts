import assert from "node:assert/strict";
import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { MAX_CALLS_IN_FLIGHT } from "@leat/sdk/protocol/limits.ts";
import { closedObject, unsignedSchema } from "@leat/sdk/protocol/schemas.ts";
import { Type } from "typebox";
import { Turns } from "../../../node/kernel/turns.ts";
import { encodeValue } from "../../../node/wire/cbor.ts";
import { PublicError } from "../../../node/wire/errors.ts";
import type { FramedStream } from "../../../node/wire/framing.ts";
import { defineMethods } from "../../../node/wire/methods.ts";
import type { Patience } from "../../../node/wire/patient-calls.ts";
import {
  compileMethods,
  defaultRpcOptions,
  RpcConnection,
  type RpcHandler,
  rpcFramingLimits,
} from "../../../node/wire/rpc.ts";
import { WireHosts } from "../../support/wire-hosts.ts";

const PROTOCOL = "/leat/test-rpc/1.0.0";
const table = defineMethods({
  double: {
    request: closedObject({ amount: unsignedSchema(128) }),
    response: closedObject({ amount: unsignedSchema(256) }),
  },
  wait: { request: closedObject({ name: Type.String({ maxLength: 20 }) }), response: closedObject({}) },
  note: { request: closedObject({ text: Type.String() }), response: closedObject({}), isPatient: true },
  tell: { request: closedObject({ text: Type.String() }), response: closedObject({}), isGathered: true },
});
const methods = compileMethods(table);
const atOnce = { everyMs: 1, atOnce: 1_000, most: 1 };
const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;
const double: RpcHandler = async (_method, body) => ({ amount: 2n * (body as { amount: bigint }).amount });

describe("calls", () => {
  const hosts = new WireHosts();
  afterEach(() => hosts.stopAll());

  async function connectFramed(): Promise<{ near: FramedStream; far: Promise<FramedStream> }> {
    const [dialer, listener] = [hosts.create(), hosts.create()];
    const options = { limits: rpcFramingLimits, maxStreams: 4 };
    const { promise, resolve } = Promise.withResolvers<FramedStream>();
    listener.handle(PROTOCOL, options, resolve);
    await Promise.all([dialer.start(), listener.start()]);
    return { near: await dialer.open(PROTOCOL, listener.address, listener.multiaddrs(), options), far: promise };
  }

  function rpc(stream: FramedStream, handler: RpcHandler, options = defaultRpcOptions, patience?: Patience) {
    const scores = hosts.create().scores;
    const components = { logger: silentLogger, scores, ...(patience === undefined ? {} : { patience }) };
    return {
      connection: new RpcConnection<typeof table>(
        stream,
        { outgoing: methods, incoming: methods },
        handler,
        components,
        options,
      ),
      scores,
    };
  }

  async function connect(nearHandler: RpcHandler, farHandler: RpcHandler, options = defaultRpcOptions) {
    const { near, far } = await connectFramed();
    const left = rpc(near, nearHandler, options).connection;
    const right = far.then((stream) => rpc(stream, farHandler, options).connection);
    return { left, right };
  }

  it("are answered both ways, many at once", async () => {
    const { left, right } = await connect(double, double);
    assert.deepEqual(await left.call("double", { amount: 21n }), { amount: 42n });
    const far = await right;
    const amounts = Array.from({ length: 300 }, (_, index) => BigInt(index));
    const answers = await Promise.all(
      amounts.flatMap((amount) => [left.call("double", { amount }), far.call("double", { amount })]),
    );
    assert.deepEqual(
      answers,
      amounts.flatMap((amount) => [{ amount: 2n * amount }, { amount: 2n * amount }]),
    );
  });

  it("fail by the handler's public code, and by INTERNAL for a bug", async () => {
    class OwnError extends CodedError<{ code: "STREAM_KEY_UNKNOWN"; secret: string }> {}
    const failures = [
      new PublicError({ code: "PUBLISH_LEASE_HELD" }),
      new OwnError({ code: "STREAM_KEY_UNKNOWN", secret: "facts stay here" }),
      new TypeError("a bug"),
    ];
    const { left } = await connect(double, async () => {
      throw failures.shift();
    });
    await assert.rejects(left.call("double", { amount: 1n }), codeIs("PUBLISH_LEASE_HELD"));
    await assert.rejects(left.call("double", { amount: 1n }), codeIs("STREAM_KEY_UNKNOWN"));
    await assert.rejects(left.call("double", { amount: 1n }), codeIs("INTERNAL"));
  });

  it("of patient methods are taken in rows, and no other waits for them", async () => {
    const order: string[] = [];
    const { near, far } = await connectFramed();
    const patience = { taking: await usedUp(3), sending: new Turns(atOnce) };
    const answer: RpcHandler = async (method, body) => {
      order.push(method);
      return method === "double" ? double(method, body) : {};
    };
    const { connection: left } = rpc(near, answer);
    void far.then((stream) => rpc(stream, answer, defaultRpcOptions, patience));
    const notes = ["a", "b"].map((text) => left.call("note", { text }));
    await left.call("double", { amount: 1n });
    await left.call("wait", { name: "note" });
    assert.deepEqual(order, ["double", "wait"]);
    await Promise.all([...notes, left.call("note", { text: "c" })]);
    assert.deepEqual(order, ["double", "wait", "note", "note", "note"]);
  });

  it("of gathered methods are written in rows, as their answers are, and no other waits for them", async () => {
    const heard: string[] = [];
    const { near, far } = await connectFramed();
    const answer: RpcHandler = async (method, body) => {
      heard.push(method);
      return method === "double" ? double(method, body) : {};
    };
    const [calls, answers, taking] = [await usedUp(3), await usedUp(2), await usedUp(9)];
    const { connection: left } = rpc(near, answer, defaultRpcOptions, { taking: new Turns(atOnce), sending: calls });
    void far.then((stream) => rpc(stream, answer, defaultRpcOptions, { taking, sending: answers }));
    const told: string[] = [];
    const tell = (text: string) => left.call("tell", { text }).then(() => void told.push(text));
    const first = [tell("a"), tell("b")];
    await left.call("double", { amount: 1n });
    assert.deepEqual(heard, ["double"]);
    const last = tell("c");
    await Promise.all(first);
    assert.deepEqual(heard, ["double", "tell", "tell", "tell"]);
    // Nor does it wait for the third answer, whose row is not full.
    await left.call("double", { amount: 1n });
    assert.deepEqual(told, ["a", "b"]);
    void answers.next();
    await last;
    assert.deepEqual(told, ["a", "b", "c"]);
  });

  it("that are urgent wait for no row", async () => {
    const { near, far } = await connectFramed();
    const patience = { taking: new Turns(atOnce), sending: await usedUp(9) };
    const { connection: left } = rpc(near, double, defaultRpcOptions, patience);
    void far.then((stream) => rpc(stream, async () => ({})));
    assert.deepEqual(await left.call("tell", { text: "now" }, { isUrgent: true }), {});
  });

  it("keep no more than the allowed number in flight, the rest wait", async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const full = Promise.withResolvers<void>();
    const { left } = await connect(double, async () => {
      running += 1;
      most = Math.max(most, running);
      if (running === MAX_CALLS_IN_FLIGHT) full.resolve();
      await gate.promise;
      running -= 1;
      return {};
    });
    const calls = Array.from({ length: 200 }, () => left.call("wait", { name: "a" }));
    await full.promise;
    gate.resolve();
    await Promise.all(calls);
    assert.equal(most, MAX_CALLS_IN_FLIGHT);
  });

  it("time out without freeing their place, and end a connection that is stuck", async () => {
    const { left, right } = await connect(double, () => new Promise(() => {}), { ...defaultRpcOptions, stuckMs: 150 });
    await assert.rejects(left.call("wait", { name: "a" }, { timeoutMs: 20 }), codeIs("WIRE_CALL_TIMEOUT"));
    assert.ok(codeIs("WIRE_PEER_SLOW")((await left.ended) as Error));
    await (await right).ended;
    await assert.rejects(left.call("wait", { name: "a" }), codeIs("WIRE_STREAM_CLOSED"));
  });

  it("end with the connection", async () => {
    const { left, right } = await connect(double, async (_method, body) => {
      void (await right).close();
      return new Promise(() => body);
    });
    const far = await Promise.all([
      right,
      assert.rejects(left.call("wait", { name: "a" }), codeIs("WIRE_STREAM_CLOSED")),
    ]);
    assert.equal(await far[0].ended, undefined);
    assert.equal(await left.ended, undefined);
  });

  it("can be given up by their caller", async () => {
    const { left } = await connect(double, () => new Promise(() => {}));
    const controller = new AbortController();
    const call = left.call("wait", { name: "a" }, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(call, /enough/);
  });

  it("refuse to send what does not fit", async () => {
    const { left } = await connect(double, double);
    await assert.rejects(left.call("double", { amount: -1n }), codeIs("WIRE_MESSAGE_UNSENDABLE"));
  });

  it("refuse an answer that does not fit", async () => {
    const { near, far } = await connectFramed();
    const { connection } = rpc(near, double);
    const call = connection.call("double", { amount: 1n });
    const peer = await far;
    for await (const _ of peer.messages) break;
    await peer.send(encodeValue({ id: 0, kind: "answer", body: { amount: "two" } }));
    await assert.rejects(call, codeIs("WIRE_ANSWER_INVALID"));
  });

  it("answer an unknown method and a bad body without ending at once, and end after many", async () => {
    const { near, far } = await connectFramed();
    await near.send(encodeValue({ id: 1, kind: "call", method: "future", body: {} }));
    const { connection, scores } = rpc(await far, double);
    const answers = near.messages[Symbol.asyncIterator]();
    assert.deepEqual((await answers.next()).value, encodeValue({ id: 1, kind: "error", code: "METHOD_UNKNOWN" }));
    assert.equal(scores.scoreOf(connection.remoteAddress), 0);
    for (let id = 2; id < 2 + defaultRpcOptions.maxBadMessages; id += 1) {
      await near.send(encodeValue({ id, kind: "call", method: "double", body: { amount: 1 } }));
      assert.deepEqual((await answers.next()).value, encodeValue({ id, kind: "error", code: "REQUEST_INVALID" }));
    }
    await near.send(encodeValue({ id: 99, kind: "call", method: "double", body: 1 }));
    assert.ok(codeIs("WIRE_MESSAGE_INVALID")(await connection.ended));
    assert.ok(scores.scoreOf(connection.remoteAddress) > defaultRpcOptions.maxBadMessages);
  });

  it("end at once with a peer that sends garbage", async () => {
    const { near, far } = await connectFramed();
    await near.send(Uint8Array.of(1, 2, 3));
    const { connection, scores } = rpc(await far, double);
    assert.ok(codeIs("WIRE_MESSAGE_INVALID")(await connection.ended));
    assert.ok(scores.scoreOf(connection.remoteAddress) > 0);
  });

  it("end with a peer that floods", async () => {
    const { near, far } = await connectFramed();
    const call = (id: number) => encodeValue({ id, kind: "call", method: "wait", body: { name: "a" } });
    const flood = (async () => {
      for (let id = 0; ; id += 1) await near.send(call(id));
    })();
    flood.catch(() => {});
    const { connection } = rpc(await far, () => new Promise(() => {}));
    assert.ok(codeIs("WIRE_CALLS_TOO_MANY")(await connection.ended));
    await assert.rejects(flood);
  });

  it("ignore the answers nobody waits for, up to a limit", async () => {
    const { near, far } = await connectFramed();
    await near.send(encodeValue({ id: 1, kind: "answer", body: {} }));
    const { connection } = rpc(await far, double);
    for (let id = 0; id <= defaultRpcOptions.maxBadMessages; id += 1) {
      await near.send(encodeValue({ id, kind: "error", code: "ABC" })).catch(() => {});
    }
    assert.ok(codeIs("WIRE_MESSAGE_INVALID")(await connection.ended));
  });
});

/** Turns of which none is left for a day, until so many wait. */
async function usedUp(most: number): Promise<Turns> {
  const turns = new Turns({ everyMs: 86_400_000, atOnce: 1, most });
  await turns.next();
  return turns;
}
