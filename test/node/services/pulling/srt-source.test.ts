import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { maskSource, parseSource, readSrt } from "@leat/node/media-io/pull/source-url.ts";
import { maskTarget, parseTarget, type SrtAddress } from "@leat/node/media-io/restream/target-url.ts";
import { srtOptions } from "@leat/node/media-io/srt/options.ts";
import { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { Pull } from "@leat/node/services/pulling/pull.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";

const secret = "a-passphrase-of-the-source";
const pattern = ["-re", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-f", "lavfi", "-i", "sine=frequency=500"];
const coded = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p"];

describe("srt source", function () {
  this.timeout(40_000);
  let service: SrtService;
  let port: number;
  let source: ChildProcess | undefined;
  let stopping: AbortController;
  let running: Promise<void>;
  let states: (string | null)[];
  let sinks: RecorderSink[];
  let heard: () => void;

  before(async () => {
    service = new SrtService(
      { secret: `0x${"11".repeat(32)}`, logger: silentLogger },
      defaultsOf(srtOptions, { port: 0, idleMs: 2_000 }),
    );
    await service.start();
  });
  after(() => service.stop());
  beforeEach(async () => {
    [states, sinks] = [[], []];
    heard = () => {};
    stopping = new AbortController();
    running = Promise.resolve();
    port = await freePort();
  });
  afterEach(async () => {
    stopping.abort();
    source?.kill("SIGKILL");
    await running.catch(() => {});
  });

  /** The ffmpeg program, which waits for whoever takes its stream. */
  function startSource(seconds = 60): void {
    const url = `srt://127.0.0.1:${port}?mode=listener&passphrase=${encodeURIComponent(secret)}`;
    const flags = [...pattern, ...coded, "-c:a", "aac", "-t", `${seconds}`, "-f", "mpegts", url];
    source = spawn("ffmpeg", ["-v", "error", "-nostdin", ...flags], { stdio: "ignore" });
  }

  function pull(passphrase = secret, more = ""): void {
    const options = defaultsOf(pullOptions, { allow: ["127.0.0.1"], retryMinMs: 50, retryMaxMs: 200 });
    const made = new Pull({
      url: `srt://127.0.0.1:${port}?streamid=camera&passphrase=${encodeURIComponent(passphrase)}${more}`,
      outbound: new Outbound(options),
      srt: service,
      options,
      clock: systemClock,
      logger: silentLogger,
      authorize: async () => {
        const sink = new RecorderSink();
        sinks.push(sink);
        return sink;
      },
      requirePlace: () => {},
      onState: (code) => {
        states.push(code);
        heard();
      },
    });
    running = made.run(stopping.signal);
  }

  const state = async (code: string | null) => {
    while (!states.includes(code)) await new Promise<void>((resolve) => (heard = resolve));
  };

  it("is called, taken in, and called again when it was lost", async () => {
    pull();
    // Nobody is there yet.
    await state("PULL_SRT_UNANSWERED");
    startSource();
    await state(null);
    await sinks[0]!.until(() => sinks[0]!.videos.length > 30 && sinks[0]!.audios.length > 30);
    assert.deepEqual(sinks[0]!.configs.map(({ codec }) => codec).sort(), ["aac", "h264"]);
    assert.equal(sinks[0]!.videos[0]!.key, true);
    source!.kill("SIGKILL");
    await once(source!, "exit");
    assert.deepEqual(await sinks[0]!.ended.promise, { clean: false });
    startSource();
    while (sinks.length < 2) await new Promise<void>((resolve) => (heard = resolve));
    await sinks[1]!.firstVideo.promise;
  });

  it("is held back for as long as its address says, which is no silence", async () => {
    startSource();
    const startedMs = performance.now();
    // Longer than who sends nothing is waited for.
    pull(secret, "&latency=3000");
    while (sinks.length === 0) await new Promise<void>((resolve) => (heard = resolve));
    await sinks[0]!.firstVideo.promise;
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 3_000, `${tookMs} ms`);
    assert.equal(sinks.length, 1);
  });

  it("is let go of at once when nobody wants it any more", async () => {
    startSource();
    pull();
    await state(null);
    stopping.abort();
    await assert.rejects(running, { name: "AbortError" });
    assert.deepEqual(await sinks[0]!.ended.promise, { clean: false });
    // Its caller is gone: so is the program.
    await once(source!, "exit");
  });

  it("is not taken with another passphrase than its own", async () => {
    startSource();
    const callee = { address: "127.0.0.1", port, streamId: "", passphrase: "another-passphrase" };
    const BAD_SECRET = 10;
    // Until the program is there nobody answers at all.
    for (let reason = 0; reason !== BAD_SECRET; ) {
      const call = service.call(callee, stopping.signal);
      const error = await call.next().catch((fault: PullError) => fault);
      assert.ok(error instanceof PullError && error.detail.code === "PULL_SRT_UNANSWERED");
      ({ reason } = error.detail);
    }
    pull("another-passphrase");
    await state("PULL_SRT_UNANSWERED");
    assert.equal(sinks.length, 0);
  });

  it("is called by the name that its address has, as programs write it", async () => {
    const [UNREADABLE, NOT_PLAYED] = [1_400, 1_405];
    const host = `srt://127.0.0.1:${service.port}`;
    for (const [address, answer] of [
      [host, UNREADABLE],
      [`${host}?streamid=#!::r=camera,m=request`, NOT_PLAYED],
      [`${host}?streamid=%23!::r%3Dcamera&latency=1`, NOT_PLAYED],
    ] as const) {
      const { streamId = "", passphrase } = readSrt(parseSource(address).url);
      const call = service.call({ address: "127.0.0.1", port: service.port, streamId, passphrase }, stopping.signal);
      const error = await call.next().catch((fault: PullError) => fault);
      assert.deepEqual(
        error instanceof PullError && error.detail,
        { code: "PULL_SRT_UNANSWERED", reason: answer },
        address,
      );
    }
    const latencies = {
      "": undefined,
      "&latency": undefined,
      "&latency=0": 0,
      "&latency=400": 400,
      "&latency=10000": 10_000,
    };
    const microseconds = { "&latency=10001": 11, "&latency=120000": 120, "&latency=10000000": 10_000 };
    for (const [more, latencyMs] of Object.entries({ ...latencies, ...microseconds })) {
      assert.equal(readSrt(parseSource(`srt://h:1?streamid=a${more}`).url).latencyMs, latencyMs, more);
      assert.equal((parseTarget(`srt://h:1?streamid=a${more}`) as SrtAddress).latencyMs, latencyMs, more);
    }
    for (const none of ["-1", "1.5", "10000001", "1e3", "long"]) {
      assert.throws(() => parseSource(`srt://h:1?latency=${none}`), { code: "PULL_URL_INVALID" }, none);
      assert.throws(() => parseTarget(`srt://h:1?latency=${none}`), { code: "RESTREAM_URL_INVALID" }, none);
    }
    const { streamId, passphrase } = readSrt(parseSource("srt://h:1?passphrase=nine+chars+and&streamid=a+b#c").url);
    assert.deepEqual([streamId, passphrase], ["a+b#c", "nine+chars+and"]);
    const shown = "srt://h:1?***";
    for (const hidden of ["?streamid=#!::r=camera&passphrase=s3cr3t", "?passphrase=s3cr3t#", "#s3cr3t"]) {
      assert.equal(maskSource(`srt://h:1${hidden}`), shown);
      assert.equal(maskTarget(`srt://h:1${hidden}`), "srt://h:1/***");
    }
    for (const unread of ["%", "%ff"]) {
      assert.throws(() => parseSource(`srt://h:1?streamid=${unread}`), { code: "PULL_URL_INVALID" });
    }
  });

  it("is called at no address that the policy refuses, in whatever spelling", async () => {
    const outbound = new Outbound(defaultsOf(pullOptions));
    const refused = [
      ["PULL_ADDRESS_LOOPBACK", "srt://127.0.0.1:9000"],
      ["PULL_ADDRESS_LOOPBACK", "srt://2130706433:9000?streamid=x"],
      ["PULL_ADDRESS_LOOPBACK", "srt://0x7f.1:9000"],
      ["PULL_ADDRESS_LINK_LOCAL", "SRT://169.254.169.254:80"],
      ["PULL_ADDRESS_MAPPED", "srt://[::ffff:10.0.0.1]:9000"],
      ["PULL_NAME_REFUSED", "srt://localhost:9000"],
      ["PULL_URL_INVALID", "srt://8.8.8.8"],
      ["PULL_URL_INVALID", "srt://8.8.8.8:9000?mode=listener"],
      ["PULL_PASSPHRASE_INVALID", "srt://8.8.8.8:9000?passphrase=nine+char"],
      ["PULL_PASSPHRASE_INVALID", `srt://8.8.8.8:9000?passphrase=${"x".repeat(80)}`],
    ] as const;
    for (const [code, url] of refused) {
      const found = await outbound.check(url, stopping.signal).catch((error: PullError) => error.code);
      assert.equal(found, code, url);
    }
  });
});

async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}
