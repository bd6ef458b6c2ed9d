import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { basename } from "node:path";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import { srtOptions } from "@leat/node/media-io/srt/options.ts";
import { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { defaultsOf } from "../../support/defaults.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { listMediaFiles } from "../../support/media-files.ts";
import { MediaNode } from "../../support/media-network.ts";
import { until } from "../../support/publish-items.ts";
import { PMT_PID } from "../../support/splices.ts";
import { callSrt, type SrtCall, startCaller, stopCaller } from "../../support/srt-caller.ts";
import { pattern, strangePictures, tone, x264 } from "../../support/strange-pictures.ts";
import { demux, HEVC, makeManyTracks, makeTs, packetsOf, readAsTs } from "../../support/ts-files.ts";

const ladder: Ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }];
/** Whole packets of a transport stream, as many as one of SRT holds. */
const MESSAGE_BYTES = 7 * 188;

interface Case {
  readonly name: string;
  readonly make: () => Promise<Uint8Array>;
}

/** Each picture says how long it is, so that it is known to be whole before another one comes. */
const sized = ["-omit_video_pes_length", "0"];
const second = pattern("160x120", 25, 1);
const at = (seconds: number) => ["-muxdelay", "0", "-output_ts_offset", `${seconds}`];
/** 33 bits of a clock of 90 kHz. */
const WRAP_S = 2 ** 33 / 90_000;

const cases: readonly Case[] = [
  ...listMediaFiles().map((file) => ({ name: basename(file), make: () => readAsTs(file) })),
  ...strangePictures.map(({ name, flags }) => ({ name, make: () => makeTs(...flags, ...sized) })),
  { name: "a clock that begins anew at 33 bits", make: () => makeTs(...second, ...x264(), ...at(WRAP_S - 0.5)) },
  {
    name: "a clock that jumps ahead by an hour",
    make: () => joined([...x264(), ...at(10)], [...x264(), ...at(3_610)]),
  },
  { name: "a clock that goes back by an hour", make: () => joined([...x264(), ...at(3_610)], [...x264(), ...at(10)]) },
  { name: "two tracks of sound and one of data", make: () => makeManyTracks(...second) },
  { name: "another size in the middle", make: () => joined(x264(), ["-s", "320x180", ...x264()]) },
  { name: "another codec in the middle", make: () => joined([...x264(), ...at(10)], [...HEVC, ...at(11)]) },
];

describe("strange publishers by SRT", function () {
  this.timeout(30_000);
  let service: SrtService | undefined;
  let balancer: FakeBalancer;
  const nodes: MediaNode[] = [];
  /** Pictures and packets of sound that the node has had. */
  let taken = { video: 0, audio: 0 };
  const news = new EventEmitter();

  before(() => startCaller());
  after(() => stopCaller());
  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
    taken = { video: 0, audio: 0 };
  });
  afterEach(async () => {
    await service?.stop();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  for (const { name, make } of cases) {
    it(`${name}: every picture arrives, in every segment`, async () => {
      const bytes = await make();
      const frames = demux(Uint8Array.from(bytes)).videos.length;
      const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
      balancer.transcoders = [transcoder];
      const caller = await callSrt(await serve(origin), balancer.streamKey);
      sendAll(caller, bytes);
      // Who goes takes along what it has not delivered. The last of several pictures is whole when nothing follows.
      while (taken.video < Math.max(1, frames - 1)) await once(news, "taken");
      caller.close();
      await balancer.until(() => balancer.renditions.length > 0);
      await balancer.assign(edge, balancer.deliverySpec());
      const stream = edge.delivery.findStream(balancer.slug)!;
      await balancer.until(() => balancer.of("publish.end").length > 0);
      await until(() => stream.window.ended);
      const held = stream.window.held(1);
      assert.equal(
        held.reduce((sum, segment) => sum + segment.frames, 0),
        frames,
      );
      assert.equal(balancer.of("publish.end")[0]!.body.frames, frames);
      assert.ok(balancer.of("check.submit").every(({ body }) => body.check.value.verdict === checkVerdicts.passed));
    });
  }

  it("sound alone: plays as such, as long as it was", async () => {
    const bytes = await makeTs(...tone(48_000, 6), "-c:a", "aac");
    const { audios } = demux(Uint8Array.from(bytes));
    const caller = await callSrt(await serve(await startNode()), balancer.streamKey);
    sendAll(caller, bytes);
    while (taken.audio < audios.length - 1) await once(news, "taken");
    caller.close();
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const end = balancer.of("publish.end")[0]!.body;
    assert.equal(end.frames, 0);
    await balancer.until(() => balancer.of("receipt.submit").length > end.lastSequence!);
    const receipts = balancer.of("receipt.submit").map(({ body }) => body.receipt.value);
    assert.ok(receipts.every(({ frames }) => frames === 0));
    const heardMs = receipts.reduce((sum, { durationMs }) => sum + durationMs, 0);
    assert.ok(Math.abs(heardMs - (audios.length * 1_024) / 48) < 100, `${heardMs} ms of ${audios.length} packets`);
  });

  for (const [name, pids] of [
    ["nothing at all", []],
    ["tables and no frame", [0, PMT_PID]],
  ] as const) {
    it(`${name}: the stream ends, with nothing`, async () => {
      const made = await makeTs(...second, ...x264());
      const caller = await callSrt(await serve(await startNode()), balancer.streamKey);
      await balancer.until(() => balancer.of("publish.request").length > 0);
      const places = pids.flatMap((pid) => packetsOf(made, pid));
      if (places.length > 0) sendAll(caller, Buffer.concat(places.map((place) => made.subarray(place, place + 188))));
      caller.close();
      await balancer.until(() => balancer.of("publish.end").length > 0);
      const { frames, lastSequence } = balancer.of("publish.end")[0]!.body;
      assert.deepEqual([frames, lastSequence], [0, null]);
    });
  }

  async function startNode(): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  async function serve(origin: MediaNode): Promise<number> {
    service = new SrtService(
      {
        authorize: async (target, info) => {
          const { ingest } = origin;
          const sink = await (target.type === "key"
            ? ingest.authorize(target.key, info)
            : ingest.authorizeHash(target.keyHash, info));
          return count(sink);
        },
        secret: `0x${"11".repeat(32)}`,
        logger: silentLogger,
      },
      defaultsOf(srtOptions, { host: "127.0.0.1", port: 0 }),
    );
    await service.start();
    return service.port!;
  }

  function count(sink: PublishSink): PublishSink {
    return {
      config: (kind, config) => sink.config(kind, config),
      async video(sample) {
        await sink.video(sample);
        taken.video += 1;
        news.emit("taken");
      },
      async audio(sample) {
        await sink.audio(sample);
        taken.audio += 1;
        news.emit("taken");
      },
      cue: (cue) => sink.cue?.(cue),
      // SRT has no goodbye: the stream would wait for its publisher.
      end: () => sink.end({ clean: true }),
    };
  }
});

function sendAll(caller: SrtCall, bytes: Uint8Array): void {
  for (let sent = 0; sent < bytes.length; sent += MESSAGE_BYTES) caller.send(bytes.slice(sent, sent + MESSAGE_BYTES));
}

/** One stream after the other, as an encoder that is set otherwise on the way would send them. */
async function joined(...parts: (readonly string[])[]): Promise<Uint8Array> {
  const made = await Promise.all(parts.map((flags) => makeTs(...second, ...flags)));
  return Uint8Array.from(Buffer.concat(made));
}
