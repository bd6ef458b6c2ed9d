import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type PeerEvents, WebrtcEndpoint } from "@leat/node/media-io/webrtc/endpoint.ts";
import { parseOffer } from "@leat/node/media-io/webrtc/sdp-offer.ts";
import type { CodedError } from "@leat/sdk/base/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { collectGarbage } from "../../../support/held-memory.ts";
import { WebrtcClient } from "../../../support/webrtc-client.ts";

describe("webrtc endpoint", () => {
  it("lets go of the native library where its port is taken", async () => {
    const taken = createSocket("udp4").bind({ address: "127.0.0.1", port: 0, exclusive: true });
    await once(taken, "listening");
    const calls: string[] = [];
    const native = { cleanup: () => calls.push("cleanup") };
    const options = { enabled: true, host: "127.0.0.1", port: taken.address().port, publicAddresses: [] };
    const endpoint = new WebrtcEndpoint(options, silentLogger, async () => native as never);
    await assert.rejects(endpoint.start(), (error: CodedError<{ code: string }>) => error.code === "WEBRTC_PORT_BUSY");
    assert.deepEqual(calls, ["cleanup"]);
    await endpoint.stop();
    assert.deepEqual(calls, ["cleanup"]);
    taken.close();
  });

  it("has no thread that looks for work before its first client comes", async () => {
    const options = { enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] };
    let begun = 0;
    const endpoint = new WebrtcEndpoint(options, silentLogger, async () => {
      const native = await import("node-datachannel");
      const preload = () => {
        begun += 1;
        native.preload();
      };
      return { ...native, preload };
    });
    await endpoint.start();
    const client = new WebrtcClient("SendOnly");
    try {
      const offer = parseOffer((await client.offer()).sdp);
      assert.equal(begun, 0);
      const closed = Promise.withResolvers<void>();
      const peer = await endpoint.connect(offer, { open: () => {}, packet: () => {}, closed: () => closed.resolve() });
      assert.equal(begun, 1);
      peer.close();
      await closed.promise;
    } finally {
      client.close();
      await endpoint.stop();
    }
  });

  it("holds nothing of whom it told, once a connection is closed", async () => {
    const options = { enabled: true, host: "127.0.0.1", port: 0, publicAddresses: [] };
    const endpoint = new WebrtcEndpoint(options, silentLogger);
    await endpoint.start();
    const client = new WebrtcClient("SendOnly");
    try {
      const offer = parseOffer((await client.offer()).sdp);
      const connect = async () => {
        const closed = Promise.withResolvers<void>();
        const events: PeerEvents = { open: () => {}, packet: () => {}, closed: () => closed.resolve() };
        const peer = await endpoint.connect(offer, events);
        peer.close();
        await closed.promise;
        return new WeakRef(events);
      };
      const told: WeakRef<PeerEvents>[] = [];
      while (told.length < 4) told.push(await connect());
      // A reference that was looked into stands until the end of its turn.
      await new Promise(setImmediate);
      collectGarbage();
      // The engine's compiler, at work on a thread of its own, may hold one for a moment: what leaks holds them all.
      const held = told.filter((events) => events.deref() !== undefined);
      assert.ok(held.length < told.length / 2, `${held.length} of ${told.length} are held`);
    } finally {
      client.close();
      await endpoint.stop();
    }
  });
});
