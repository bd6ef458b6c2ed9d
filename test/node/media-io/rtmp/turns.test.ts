import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { holdReading } from "@leat/node/media-io/rtmp/held-reading.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { makeCertificate, writeCertificate } from "../../../support/certificate.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { until } from "../../../support/publish-items.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";

const PICTURES = 60;

/** Turns that a test gives. */
class GivenTurns {
  #turn = Promise.withResolvers<void>();
  isAwaited = false;
  /** What was told of each that waits, as it came. */
  readonly held: number[] = [];

  next(held = 0): Promise<void> {
    this.isAwaited = true;
    this.held.push(held);
    return this.#turn.promise;
  }

  give(): void {
    this.#turn.resolve();
    this.#turn = Promise.withResolvers();
    this.isAwaited = false;
  }
}

class WaitingSink extends RecorderSink {
  mayWait = true;
}

describe("publishers that can wait", () => {
  let directory: string;
  let turns: GivenTurns;
  let clock: ManualClock;
  let server: RtmpServer;
  let sinks: WaitingSink[];
  let children: ChildProcess[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-turns-"));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  beforeEach(async () => {
    const { certFile, keyFile } = await writeCertificate(directory, makeCertificate("first"));
    [sinks, children] = [[], []];
    turns = new GivenTurns();
    clock = new ManualClock();
    server = createRtmpServer({
      host: "127.0.0.1",
      port: 0,
      tls: { port: 0, certFile, keyFile },
      authorize: async () => {
        const sink = new WaitingSink();
        sinks.push(sink);
        return sink;
      },
      turns,
      clock,
      logger: silentLogger,
    });
    await server.start();
  });

  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    await server.stop();
  });

  /** All of it is sent, and what is not taken waits on the way, once the program ends. */
  async function publish(scheme: "rtmp" | "rtmps"): Promise<void> {
    const pictures = `testsrc2=size=160x120:rate=30:duration=${PICTURES / 30}`;
    const port = scheme === "rtmp" ? server.port : server.tlsPort;
    const target = ["-f", "flv", `${scheme}://127.0.0.1:${port}/live/key`];
    const codec = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "50k", "-g", "30", "-pix_fmt", "yuv420p"];
    const flags = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", pictures, ...codec, ...target];
    const child = spawn("ffmpeg", flags, { stdio: "ignore" });
    children.push(child);
    await once(child, "exit");
  }

  it("are taken in one turn, all of them, by TLS too, and nothing of them before or between", async () => {
    const secure = publish("rtmps");
    // Who says goodbye by TLS waits for an answer.
    await publish("rtmp");
    const taken = () => sinks.map(({ videos }) => videos.length);
    const before = taken();
    assert.equal(before.length, 2);
    assert.ok(
      before.every((pictures) => pictures < PICTURES / 2),
      `${before}`,
    );
    let isOver = false;
    const ends = Promise.all(sinks.map(({ ended }) => ended.promise)).finally(() => {
      isOver = true;
    });
    for (; !isOver; await turn()) if (turns.isAwaited) turns.give();
    assert.deepEqual(taken(), [PICTURES, PICTURES]);
    assert.deepEqual(await ends, [{ clean: true }, { clean: true }]);
    await secure;
  });

  it("are taken at once from when somebody watches", async () => {
    const published = publish("rtmp");
    for (; sinks[0] === undefined || !turns.isAwaited; await turn());
    sinks[0].mayWait = false;
    turns.give();
    assert.deepEqual(await sinks[0].ended.promise, { clean: true });
    assert.equal(sinks[0].videos.length, PICTURES);
    await published;
  });

  it("are read on where their newest is late, which waits on its way then", async () => {
    const published = publish("rtmp");
    for (; sinks[0] === undefined || !turns.isAwaited; await turn());
    await clock.advance(3_000);
    const taken = sinks[0].videos.length;
    // A piece of a picture says nothing new of how late they are.
    for (; sinks[0].videos.length === taken; await turn()) if (turns.isAwaited) turns.give();
    const { length } = turns.held;
    assert.deepEqual(await sinks[0].ended.promise, { clean: true });
    assert.equal(sinks[0].videos.length, PICTURES);
    assert.equal(turns.held.length, length);
    await published;
  });

  it("have waited for as many turns as came since somebody last was in a hurry", async () => {
    const published = publish("rtmp");
    const untilHeld = async (times: number) => {
      for (; turns.held.length < times; await turn());
      return turns.held.at(-1);
    };
    assert.equal(await untilHeld(1), 0);
    turns.give();
    assert.equal(await untilHeld(2), 1);
    sinks[0]!.mayWait = false;
    turns.give();
    const taken = sinks[0]!.videos.length;
    await sinks[0]!.until(() => sinks[0]!.videos.length > taken + 2);
    sinks[0]!.mayWait = true;
    assert.equal(await untilHeld(3), 0);
    turns.give();
    await server.stop();
    await published;
  });

  it("hold up nobody who stops", async () => {
    const published = publish("rtmp");
    for (; sinks[0] === undefined || !turns.isAwaited; await turn());
    await server.stop();
    assert.deepEqual(await sinks[0].ended.promise, { clean: false });
    await published;
  });
});

describe("reading that is held", () => {
  it("leaves what comes before its turn unread, and goes on with all that came", async () => {
    const turn = Promise.withResolvers<void>();
    const accepted: Socket[] = [];
    const listening = createServer((socket) => accepted.push(socket.resume())).listen(0, "127.0.0.1");
    await once(listening, "listening");
    const { port } = listening.address() as AddressInfo;
    const clients: Socket[] = [];
    try {
      for (const name of ["waits", "reads"]) {
        const client = connect(port, "127.0.0.1");
        clients.push(client);
        await once(client, "connect");
        client.write(name);
        await until(() => accepted[clients.length - 1]?.bytesRead === name.length);
      }
      const [waits, reads] = accepted as [Socket, Socket];
      const held = Promise.withResolvers<void>();
      const wait = () => {
        held.resolve();
        return turn.promise;
      };
      const waited = holdReading(waits, wait, new AbortController().signal);
      await held.promise;
      const before = waits.bytesRead;
      for (const client of clients) client.write(Buffer.alloc(10_000));
      await until(() => reads.bytesRead > 10_000);
      assert.equal(waits.bytesRead, before);
      turn.resolve();
      await waited;
      await until(() => waits.bytesRead === before + 10_000);
      // Whoever is closed meanwhile is not waited for.
      const gone = new AbortController();
      const closed = holdReading(waits, () => new Promise(() => {}), gone.signal);
      waits.destroy();
      gone.abort();
      await closed;
    } finally {
      for (const socket of [...clients, ...accepted]) socket.destroy();
      listening.close();
    }
  });

  it("begins once all pieces of what came by TLS are taken", async () => {
    const turns = new GivenTurns();
    const over = new AbortController();
    let taken = 0;
    const takenAtHold: number[] = [];
    const serve = async (socket: Socket) => {
      for await (const chunk of socket) {
        taken += (chunk as Buffer).length;
        const turn = () => {
          takenAtHold.push(taken);
          return turns.next();
        };
        await holdReading(socket, turn, over.signal);
      }
    };
    const listening = createTlsServer(makeCertificate("first"), (socket) => void serve(socket).catch(() => {}));
    listening.listen(0, "127.0.0.1");
    await once(listening, "listening");
    const client = connectTls({ port: (listening.address() as AddressInfo).port, rejectUnauthorized: false });
    try {
      await once(client, "secureConnect");
      client.write("x");
      await until(() => takenAtHold.length === 1);
      // Four records, and less than is read at once.
      await new Promise((sent) => client.write(Buffer.alloc(60_000), sent));
      turns.give();
      await until(() => takenAtHold.length === 2);
      assert.deepEqual(takenAtHold, [1, 60_001]);
    } finally {
      over.abort();
      client.destroy();
      listening.close();
    }
  });
});
