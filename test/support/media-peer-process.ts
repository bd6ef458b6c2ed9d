import { WireHosts } from "./wire-hosts.ts";

/** A process of its own: an origin that sends frames to whoever subscribes, until it is killed or told to end. */
const host = new WireHosts().create();
host.onMedia((connection) => {
  const serve = async () => {
    for await (const message of connection.messages) {
      if (message.type === "subscribe") break;
    }
    await connection.send({ type: "accepted" });
    const data = new Uint8Array(20_000);
    for (let dts = 0; ; dts += 3_000) {
      await connection.send({
        type: "frame",
        rung: 1,
        sequence: 0,
        frame: {
          kind: "video",
          epoch: 0,
          dts,
          pts: dts,
          duration: 3_000,
          key: false,
          configVersion: 1,
          arrivalMs: Date.now(),
          data,
        },
      });
    }
  };
  serve().catch(() => {});
});
await host.start();
process.on("message", () => {
  void host.stop().then(() => process.exit(0));
});
process.on("disconnect", () => process.exit(1));
process.send?.({ address: host.address, multiaddrs: host.multiaddrs() });
