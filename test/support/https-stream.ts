import assert from "node:assert/strict";
import { once } from "node:events";
import { request as requestHttps } from "node:https";
import type { Server } from "node:tls";
import { addLive, type HlsDoor } from "@leat/node/media-io/hls/routes.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { FastifyInstance } from "fastify";
import { TestStream } from "./hls-stream.ts";
import { useHttps } from "./https-scene.ts";

export interface ServedStream {
  stream: TestStream;
  /** Whoever asks viewers to pay; nobody where it is absent. */
  door: HlsDoor | undefined;
}

const config = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description: Uint8Array.of(1, 0x64, 0, 0x1f),
  codecString: "avc1.64001f",
} as VideoConfig;
/** A live stream behind a server with a certificate, anew for each test. Node may warn of nothing meanwhile. */
export function useHttpsStream() {
  const https = useHttps();
  const { on, start } = https;
  const served = {} as ServedStream;
  let added: number;
  /** What Node says of wrong use. */
  const warnings: string[] = [];
  const note = ({ message }: Error) => void warnings.push(message);

  before(() => void process.on("warning", note));
  after(() => void process.off("warning", note));
  afterEach(() => assert.deepEqual(warnings.splice(0), []));
  beforeEach(() => {
    served.stream = new TestStream();
    served.stream.window.describe([
      { rung: 1, name: "240p", kind: "video", codec: "h264", family: "h264", bitrate: 1 },
    ]);
    served.stream.window.setConfig(1, 0, config);
    served.door = undefined;
    added = 0;
    add();
  });

  function add(sizeBytes = 100): void {
    const facts = { index: 0, frames: 60, pixels: 1, durationTicks: 180_000, startTicks: added * 180_000 };
    const part = { ...facts, bytes: new Uint8Array(sizeBytes), independent: true, headSizeBytes: 50 };
    served.stream.addSegment(1, added, [part], 180_000);
    added += 1;
  }

  const live = (app: FastifyInstance) =>
    addLive(app, { findStream: () => served.stream }, { clock: on.clock, door: served.door });
  const withResolvers = () => Promise.withResolvers<void>();
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Resolves with Node's own server, which a client of HTTP/1.1 leads to. */
  const startProbed = async (add: (app: FastifyInstance) => unknown): Promise<Server> => {
    const found = Promise.withResolvers<Server>();
    await start((app) => {
      app.get("/server", async ({ raw }) => {
        found.resolve((raw.socket as unknown as { readonly server: Server }).server);
        return {};
      });
      return add(app);
    });
    const outgoing = requestHttps({ port: on.service.tlsPort, path: "/server", ca: on.files.cert, agent: false });
    outgoing.end();
    const [answer] = await once(outgoing, "response");
    await once(answer.resume(), "end");
    return found.promise;
  };
  /** Sleepers beside the watch over the certificate and those over sessions. */
  const sleeping = () => on.clock.sleeping - 1 - on.sessions.length;

  return Object.assign(https, { served, add, live, withResolvers, until, startProbed, sleeping });
}
