import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { demoLadder } from "../../scripts/network/demo.ts";
import { getStream } from "../../sdk/client/actions/streams.ts";
import type { MediaInput } from "../../transcoder/tools/media-item.ts";
import { makeCertificate, writeCertificate } from "../support/certificate.ts";
import { assertPaid, settle } from "../support/e2e-facts.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { judgeMaster } from "../support/hls-judge.ts";
import { listMediaFiles } from "../support/media-files.ts";

const files = listMediaFiles();
const singles = ["test.flv", "videotest.mp4", "portrait.ts", "kryp-1.ts", "game-720p.ts", "skip_1.ts"];
/** Where no real files stand, these cases are all there are. */
const made: [string, MediaInput[]][] = [
  ["an upright silent picture", [{ pattern: { width: 270, height: 478, fps: 25, durationS: 3, audio: false } }]],
];
const cases: [string, MediaInput[]][] = [
  ...made,
  ...singles.flatMap((name): [string, MediaInput[]][] => pick((one) => one === name).map((file) => [name, [file]])),
  ...(pick(isRecording).length === 0 ? [] : [["dvr-0 to dvr-5 in a row", pick(isRecording)] as [string, MediaInput[]]]),
];

/** What a publisher's process trusts beside the system's own authorities. */
const trusted = "NODE_EXTRA_CA_CERTS";

describe("a network that is given real video by RTMPS", function () {
  this.timeout(180_000);
  const earlier = process.env[trusted];
  let directory: string;
  let network: TestNetwork;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-e2e-tls-"));
    const { certFile, keyFile } = await writeCertificate(directory, makeCertificate("leat"));
    process.env[trusted] = certFile;
    const tls = { port: 0, certFile, keyFile };
    network = await TestNetwork.start({
      adjust: (_, config) => ("rtmp" in config ? { ...config, rtmp: { ...Object(config.rtmp), tls } } : config),
    });
  });

  after(async () => {
    await network?.stop();
    if (earlier === undefined) delete process.env[trusted];
    else process.env[trusted] = earlier;
    await rm(directory, { recursive: true, force: true });
  });

  for (const [name, inputs] of cases) {
    it(`delivers every frame of ${name} in every rung, checked and paid`, async () => {
      const stream = await network.publish({ ladder: demoLadder, inputs });
      assert.ok(stream.created.ingestUrls.every((url) => url.startsWith("rtmps://")));
      const { primary, fallback } = await stream.playback();
      const viewing = [primary, fallback!].map(({ hls }) => stream.view(hls));
      const { videoFrames } = await stream.publisher.done;
      await Promise.all(viewing);
      const rungs = await judgeMaster(primary.hls);
      const { frames, renditions } = await getStream(stream.caller, stream.created.id);
      assert.equal(Number(frames), videoFrames);
      const wanted = renditions.filter(({ kind }) => kind === "video");
      assert.deepEqual(
        rungs.map((rung) => [rung.name, rung.width, rung.height, rung.gaps]).sort(),
        wanted.map((rung) => [rung.name, rung.width, rung.height, 0]).sort(),
      );
      const families = new Set(wanted.map(({ family }) => family));
      assert.deepEqual([...families].sort(), ["h264", "vp9"]);
      for (const { name: rung, segments } of rungs) {
        const counts = [...segments].map(([sequence, numbers]) => [sequence, numbers.length]);
        assert.equal(
          counts.reduce((sum, [, count]) => sum + count!, 0),
          videoFrames,
          rung,
        );
        assert.deepEqual(
          counts,
          [...rungs[0]!.segments].map(([sequence, numbers]) => [sequence, numbers.length]),
        );
      }
      await settle(network, stream);
      await assertPaid(network);
      const transcodes = (await stream.jobs()).filter(({ primitive }) => primitive === "transcode");
      assert.deepEqual(
        transcodes.map(({ attempts }) => attempts.map(({ checked, failed }) => [checked, failed])),
        transcodes.map(() => [[rungs[0]!.segments.size, 0]]),
      );
    });
  }
});

function isRecording(name: string): boolean {
  return /^dvr-\d\.ts$/.test(name);
}

function pick(isWanted: (name: string) => boolean): string[] {
  return files.filter((file) => isWanted(basename(file))).sort();
}
