import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { EngineName, GatewaySettings } from "@leat/transcoder/engine.ts";
import type { TranscodeErrorDetail } from "@leat/transcoder/errors.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { readMedia, readSight } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { describeH264 } from "../../suites/engine.ts";
import { type GatewayFault, GatewayServer, multipart, refuse } from "../../support/gateway-server.ts";
import { type LiveOutput, runLive, videoConfigs, videoFrames, withBoundaries } from "../../support/live-run.ts";

const PATIENT = 14_000;
const ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 500_000, audioBitrate: 64_000 },
  { name: "144p", codec: "h264", height: 144, videoBitrate: 250_000, audioBitrate: 64_000 },
] as const;
const { rungs } = resolveLadder(ladder, { width: 320, height: 240 });

type Detail<Code> = Extract<TranscodeErrorDetail, { code: Code }>;

describe("transcoder/engines/livepeer", function () {
  this.timeout(60_000);
  let gateway: GatewayServer;
  let items: readonly MediaItem[] = [];

  before(async () => {
    items = await readMedia({
      pattern: { width: 320, height: 240, fps: 30, durationS: 1, keyframeEveryS: 1, bFrames: 0 },
    });
  });

  beforeEach(async () => {
    gateway = await GatewayServer.start();
  });

  afterEach(() => gateway.stop());

  /** A second of pictures, with boundaries at these. */
  function run(settings: Partial<GatewaySettings> = {}, cuts: readonly number[] = []): Promise<LiveOutput> {
    const [source] = videoConfigs(items);
    const spec = { engine: "livepeer", gateway: { url: gateway.url, timeoutMs: PATIENT, ...settings } } as const;
    return runLive({ source: source!, rungs, ...spec }, withBoundaries(videoFrames(items), cuts));
  }

  async function fail<Code extends TranscodeErrorDetail["code"]>(
    code: Code,
    fault: GatewayFault | undefined,
    settings: Partial<GatewaySettings> = {},
  ): Promise<Detail<Code>> {
    gateway.fault = fault;
    try {
      await run(settings);
    } catch (error) {
      assert.ok(isCodedError(error));
      assert.equal(error.code, code, error.message);
      return error.detail as Detail<Code>;
    }
    assert.fail(`not refused with ${code}`);
  }

  describeH264(() => ({ engine: "livepeer", gateway: { url: gateway.url, timeoutMs: PATIENT } }));

  it("asks as a gateway wants to be asked, under one name and with rising numbers", async () => {
    await run({ url: `${gateway.url}/` }, [15]);
    const [first, second, ...others] = gateway.requests;
    assert.equal(others.length, 0);
    assert.deepEqual(
      [first, second].map((request) => request!.method),
      ["PUT", "PUT"],
    );
    assert.match(first!.path, /^\/live\/leat[0-9a-f]{24}\/0\.ts$/);
    assert.equal(second!.path, first!.path.replace("/0.ts", "/1.ts"));
    const profile = { fps: 0, fpsDen: 1, profile: "H264ConstrainedHigh", encoder: "H.264" };
    const configuration = {
      profiles: [
        { name: "240p", width: 320, height: 240, bitrate: 500_000, ...profile },
        { name: "144p", width: 192, height: 144, bitrate: 250_000, ...profile },
      ],
    };
    const head = (request: (typeof gateway.requests)[number], duration: string, slices: readonly string[]) => [
      ["Accept", "multipart/mixed"],
      ["Content-Type", "video/mp2t"],
      ["Content-Length", String(request.body.length)],
      ["Content-Duration", duration],
      ["Content-Resolution", "320x240"],
      ["Livepeer-Transcode-Configuration", JSON.stringify(configuration)],
      ...(slices.length > 0 ? [slices] : []),
      ["Host", gateway.url.slice("http://".length)],
      ["Connection", "close"],
    ];
    assert.deepEqual(first!.rawHeaders, head(first!, "500", []).flat());
    // No key frame stands there: it gets all since the last one, and is told where to begin.
    assert.deepEqual(second!.rawHeaders, head(second!, "500", ["Content-Slice-From", "500"]).flat());
    for (const { body } of gateway.requests) {
      assert.equal(body.length % 188, 0);
      assert.equal(body[0], 0x47);
    }
  });

  it("gives their captions to pictures that come without", async () => {
    gateway.flags = ["-a53cc", "0"];
    const pattern = { width: 320, height: 240, fps: 30, durationS: 1, keyframeEveryS: 1, captions: true };
    const source = await readMedia({ pattern });
    const [config] = videoConfigs(source);
    const frames = videoFrames(source);
    const settings = { engine: "livepeer", gateway: { url: gateway.url, timeoutMs: PATIENT } } as const;
    const output = await runLive({ source: config!, rungs, ...settings }, withBoundaries(frames, []));
    const { captions } = await readSight(config!, frames);
    assert.equal(captions.length, 30);
    for (const rung of output.rungs) {
      const made = rung.frames.map(({ frame }) => frame);
      assert.deepEqual((await readSight(rung.configs[0]!, made)).captions, captions);
    }
  });

  it("sends a segment again that failed in passing, as it was and under its number", async () => {
    const replies = [refuse(503, "No sessions available"), refuse(500, "http push error processing segment")];
    let cut = 1;
    gateway.fault = async (_request, made) => {
      const reply = replies.shift();
      if (reply !== undefined) return reply;
      if (cut-- <= 0) return undefined;
      const whole = multipart(await made());
      return { ...whole, body: whole.body.subarray(0, 10_000), isCut: true };
    };
    const output = await run();
    assert.equal(gateway.requests.length, 4);
    const [first, ...again] = gateway.requests;
    for (const request of again) {
      assert.equal(request.path, first!.path);
      assert.ok(request.body.equals(first!.body));
    }
    assert.deepEqual(
      output.rungs.map(({ frames, segments }) => [frames.length, segments]),
      rungs.map(() => [30, [{ sequence: 0, summary: { frames: 30, concealed: 0 } }]]),
    );
  });

  it("gives up at once what no repetition helps", async () => {
    const refused = await fail("TRANSCODE_GATEWAY_REFUSED", () => refuse(422, "unknown\u0007 codec"));
    assert.deepEqual([refused.status, refused.reason], [422, "unknown codec"]);
    const moved = await fail("TRANSCODE_GATEWAY_REDIRECTED", () => {
      return { status: 307, headers: { Location: `${gateway.url}/live/elsewhere/0.ts` }, body: Buffer.alloc(0) };
    });
    assert.equal(moved.status, 307);
    assert.equal(gateway.requests.length, 2);
  });

  it("says why, when the time of a segment is over", async () => {
    await fail("TRANSCODE_GATEWAY_SLOW", () => "never", { timeoutMs: 300 });
    assert.equal(gateway.requests.length, 1);
    const refused = await fail("TRANSCODE_GATEWAY_REFUSED", () => refuse(503, "No sessions available"), {
      timeoutMs: 700,
    });
    assert.deepEqual([refused.status, refused.reason], [503, "No sessions available"]);
    assert.ok(gateway.requests.length > 2);
    await gateway.stop();
    const away = await fail("TRANSCODE_GATEWAY_UNREACHABLE", undefined, { timeoutMs: 700 });
    assert.equal(away.reason, "ECONNREFUSED");
  });

  it("takes no answer that is none, is cut or too large", async () => {
    const plain = await fail("TRANSCODE_GATEWAY_ANSWER_INVALID", () => ({ ...refuse(200, "fine") }));
    assert.equal(plain.reason, "it is not multipart/mixed");
    await fail(
      "TRANSCODE_GATEWAY_ANSWER_CUT",
      async (_request, made) => {
        const whole = multipart(await made());
        return { ...whole, body: whole.body.subarray(0, -30), isCut: true };
      },
      { timeoutMs: 3_000 },
    );
    const large = await fail("TRANSCODE_GATEWAY_ANSWER_TOO_LARGE", () => {
      return multipart([{ name: "240p", type: "video/mp2t", ending: "0.ts", data: Buffer.alloc(33 * 2 ** 20) }]);
    });
    assert.deepEqual([large.what, large.limit], ["bytes", 32 * 2 ** 20]);
    const many = await fail("TRANSCODE_GATEWAY_ANSWER_TOO_LARGE", async (_request, made) => {
      const parts = await made();
      return multipart([...parts, { ...parts[0]!, name: "more" }]);
    });
    assert.deepEqual([many.what, many.limit], ["parts", 2]);
  });

  it("takes no renditions but the ones that it asked for", async () => {
    const few = await fail("TRANSCODE_GATEWAY_RENDITIONS_WRONG", async (_request, made) => {
      return multipart((await made()).slice(1));
    });
    assert.deepEqual([few.wanted, few.found], ["240p 144p", "144p"]);
    await fail("TRANSCODE_GATEWAY_RENDITIONS_WRONG", async (_request, made) => {
      const [first] = await made();
      return multipart([first!, first!]);
    });
    const swapped = await fail("TRANSCODE_GATEWAY_SIZE_WRONG", async (_request, made) => {
      const [first, second] = await made();
      return multipart([
        { ...first!, data: second!.data },
        { ...second!, data: first!.data },
      ]);
    });
    assert.deepEqual(swapped, {
      code: "TRANSCODE_GATEWAY_SIZE_WRONG",
      rendition: "240p",
      wanted: "320x240",
      found: "192x144",
    });
    const noise = await fail("TRANSCODE_GATEWAY_MEDIA_INVALID", async (_request, made) => {
      return multipart((await made()).map((part) => ({ ...part, data: Buffer.alloc(200_000, "leat") })));
    });
    assert.equal(noise.rendition, "240p");
    const short = await fail("TRANSCODE_GATEWAY_PICTURES_WRONG", async (_request, made) => {
      const parts = await made();
      return multipart(parts.map((part) => ({ ...part, data: dropLastPicture(part.data) })));
    });
    assert.deepEqual([short.wanted, short.found], ["30 pictures", "29 pictures"]);
    const address = await fail("TRANSCODE_GATEWAY_ANSWER_INVALID", async (_request, made) => {
      const type = "application/vnd+livepeer.uri";
      const data = Buffer.from("https://store.example/stream/240p/0.ts");
      return multipart((await made()).map((part) => ({ ...part, type, ending: "0.txt", data })));
    });
    assert.equal(address.reason, "the gateway keeps renditions in a store and tells addresses");
  });

  it("takes no source, no rung and no setting that it cannot work with", async () => {
    const [source] = videoConfigs(items);
    const settings = {
      engine: "livepeer" satisfies EngineName,
      gateway: { url: gateway.url, timeoutMs: PATIENT },
    } as const;
    const inputs = withBoundaries(videoFrames(items), []);
    const codeOf = async (spec: Parameters<typeof runLive>[0]) => {
      const error = await runLive(spec, inputs).catch((thrown: unknown) => thrown);
      return isCodedError(error) ? error.code : error;
    };
    assert.equal(await codeOf({ source: source!, rungs, engine: "livepeer" }), "TRANSCODE_GATEWAY_UNSET");
    const vp9 = { ...rungs[0]!, codec: "vp9" } as const;
    assert.equal(await codeOf({ source: source!, rungs: [vp9], ...settings }), "TRANSCODE_ENCODER_MISSING");
    for (const codec of ["vp8", "vp9"] as const) {
      const other = { ...source!, codec };
      assert.equal(await codeOf({ source: other, rungs, ...settings }), "TRANSCODE_DECODER_MISSING");
    }
    assert.equal(gateway.requests.length, 0);
  });

  it("ends where the source takes another shape, which its renditions then have", async () => {
    const wide = await readMedia({ pattern: { width: 426, height: 240, fps: 30, durationS: 1, keyframeEveryS: 1 } });
    const second = videoFrames(wide).map((frame) => ({ ...frame, epoch: 1, configVersion: 2 }));
    const run = runLive(
      { source: videoConfigs(items)[0]!, rungs, engine: "livepeer", gateway: { url: gateway.url, timeoutMs: PATIENT } },
      [
        ...withBoundaries(videoFrames(items), []),
        { type: "config", version: 2, config: videoConfigs(wide)[0]! },
        ...withBoundaries(second, [], 1),
      ],
    );
    await assert.rejects(run, (error) => isCodedError(error) && error.code === "TRANSCODE_GATEWAY_SIZE_WRONG");
  });
});

/** Without the packets of its last picture. */
function dropLastPicture(stream: Buffer): Buffer {
  let last = 0;
  for (let at = 0; at < stream.length; at += 188) {
    const pid = stream.readUInt16BE(at + 1) & 0x1fff;
    const starts = (stream[at + 1]! & 0x40) !== 0;
    if (pid === 0x100 && starts) last = at;
  }
  return stream.subarray(0, last);
}
