import assert from "node:assert/strict";
import { basename } from "node:path";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { listMediaFiles } from "../../support/media-files.ts";
import { MediaNode } from "../../support/media-network.ts";
import { readMultipart } from "../../support/multipart.ts";
import { codeOf, PushServer } from "../../support/push-server.ts";
import { pattern, tone, x264 } from "../../support/strange-pictures.ts";
import { demux, HEVC, makeManyTracks, makeTs, probeTs, readAsTs } from "../../support/ts-files.ts";

const ladder: Ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }];
/** Of a clock of 90 kHz. */
const beforeWrap = ["-muxdelay", "0", "-output_ts_offset", `${2 ** 33 / 90_000 - 0.5}`];

interface Case {
  readonly name: string;
  readonly make: () => Promise<Uint8Array>;
}

const made: readonly Case[] = [
  ["one picture", ...pattern("160x120", 25, 0.04), ...x264()],
  ["a picture of 16x4000", ...pattern("16x4000", 10, 1), ...x264()],
  ["a picture every two seconds", ...pattern("160x120", 0.5, 10), ...x264("-g", "1")],
  ["120 pictures a second", ...pattern("160x120", 120, 1), ...x264("-g", "120")],
  ["one key frame in 31 seconds", ...pattern("160x120", 5, 31), ...x264("-g", "9999", "-sc_threshold", "0")],
  [
    "many B-frames, ten bits, 4:2:2",
    ...pattern("160x120", 25, 2),
    "-c:v",
    "libx264",
    "-pix_fmt",
    "yuv422p10le",
    "-bf",
    "8",
  ],
  [
    "another size, and mono of 8 kHz",
    ...pattern("320x180", 25, 1),
    ...tone(8_000, 1),
    ...x264(),
    "-c:a",
    "aac",
    "-ac",
    "1",
  ],
  ["a clock that begins anew at 33 bits", ...pattern("160x120", 25, 1), ...x264(), ...beforeWrap],
  ["sound alone", ...tone(48_000, 1), "-c:a", "aac"],
  ["another codec", ...pattern("160x120", 25, 1), ...HEVC],
]
  .map(([name, ...flags]): Case => ({ name: name!, make: () => makeTs(...flags) }))
  .concat({
    name: "two tracks of sound and one of data",
    make: () => makeManyTracks(...pattern("160x120", 25, 1)),
  });

const real: readonly Case[] = listMediaFiles().map((file) => ({ name: basename(file), make: () => readAsTs(file) }));

describe("strange segments, one after the other", function () {
  this.timeout(120_000);
  const nodes: MediaNode[] = [];
  let balancer: FakeBalancer;
  let server: PushServer;
  let number = 0;

  before(async () => {
    balancer = new FakeBalancer(ladder);
    for (let index = 0; index < 2; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    const [origin, transcoder] = nodes as [MediaNode, MediaNode];
    balancer.transcoders = [transcoder];
    server = await PushServer.start((key, info) => origin.ingest.authorize(key, info), {
      answerMs: 60_000,
      maxSegmentMs: 40_000,
    });
  });

  after(async () => {
    await server.stop();
    await Promise.all(nodes.map((node) => node.stop()));
  });

  // One stream takes them all: sizes, clocks and tracks change from one to the next.
  for (const { name, make } of [...real, ...made]) {
    it(`answers ${name} with a rendition of every picture`, async () => {
      const segment = await make();
      const source = demux(Uint8Array.from(segment));
      const headers = { accept: "multipart/mixed" };
      const response = await server.push(`/live/${balancer.streamKey}/${number}.ts`, segment, headers);
      number += 1;
      assert.equal(response.status, 200, response.status === 200 ? "" : await codeOf(response));
      const parts = await readMultipart(response);
      assert.equal(parts.length, source.videos.length > 0 ? 1 : 0);
      for (const { body } of parts) {
        const { video, audio } = await probeTs(body);
        assert.equal(video?.frames, source.videos.length);
        assert.equal(audio?.frames ?? 0, source.audios.length);
      }
    });
  }
});
