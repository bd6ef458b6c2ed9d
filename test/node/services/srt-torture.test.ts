import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFile } from "node:fs/promises";
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
import { callSrt, startCaller, stopCaller } from "../../support/srt-caller.ts";
import { pattern, strangePictures, x264 } from "../../support/strange-pictures.ts";
import { demux, HEVC, makeTs } from "../../support/ts-files.ts";

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
  ...listMediaFiles()
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ name: basename(file), make: async () => Uint8Array.from(await readFile(file)) })),
  ...strangePictures.map(({ name, flags }) => ({ name, make: () => makeTs(...flags, ...sized) })),
  { name: "a clock that begins anew at 33 bits", make: () => makeTs(...second, ...x264(), ...at(WRAP_S - 0.5)) },
  {
    name: "a clock that jumps ahead by an hour",
    make: () => joined([...x264(), ...at(10)], [...x264(), ...at(3_610)]),
  },
  { name: "a clock that goes back by an hour", make: () => joined([...x264(), ...at(3_610)], [...x264(), ...at(10)]) },
  { name: "another size in the middle", make: () => joined(x264(), ["-s", "320x180", ...x264()]) },
  { name: "another codec in the middle", make: () => joined([...x264(), ...at(10)], [...HEVC, ...at(11)]) },
];

describe("strange publishers by SRT", function () {
  this.timeout(30_000);
  let service: SrtService | undefined;
  let balancer: FakeBalancer;
  const nodes: MediaNode[] = [];
  /** Pictures that the node has had. */
  let taken = 0;
  const news = new EventEmitter();

  before(() => startCaller());
  after(() => stopCaller());
  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
    taken = 0;
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
      for (let sent = 0; sent < bytes.length; sent += MESSAGE_BYTES)
        caller.send(bytes.slice(sent, sent + MESSAGE_BYTES));
      // Who goes takes along what it has not delivered. The last of several pictures is whole when nothing follows.
      while (taken < Math.max(1, frames - 1)) await once(news, "video");
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
        taken += 1;
        news.emit("video");
      },
      audio: (sample) => sink.audio(sample),
      cue: (cue) => sink.cue?.(cue),
      // SRT has no goodbye: the stream would wait for its publisher.
      end: () => sink.end({ clean: true }),
    };
  }
});

/** One stream after the other, as an encoder that is set otherwise on the way would send them. */
async function joined(...parts: (readonly string[])[]): Promise<Uint8Array> {
  const made = await Promise.all(parts.map((flags) => makeTs(...second, ...flags)));
  return Uint8Array.from(Buffer.concat(made));
}
