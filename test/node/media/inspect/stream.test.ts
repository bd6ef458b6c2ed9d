import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { isAdvice, type RuleName, rules } from "@leat/node/media/inspect/rules.ts";
import { fragment } from "@leat/node/media/mp4/fragment.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import fc from "fast-check";
import { brokenPlaylists } from "../../../support/broken-playlists.ts";
import { plainSound } from "../../../support/plain-config.ts";

const video: VideoConfig = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 426,
  height: 240,
  description: Uint8Array.of(1, 0x64, 0, 0x1f, 0xff, 0xe1),
  codecString: "avc1.64001f",
};
const sample = (key: boolean) => ({ durationTicks: 9_000, compositionTicks: 0, key, data: new Uint8Array(5_000) });
const keyPart = fragment(1, 0, [sample(true), sample(false)]);
const otherPart = fragment(2, 18_000, [sample(false), sample(false)]);
const whole = Buffer.concat([keyPart, otherPart]);

const head = `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n`;
const lowLatency = `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6\n#EXT-X-PART-INF:PART-TARGET=0.2\n`;
const list = (other: string, last: number) => `${head}${lowLatency}#EXT-X-MAP:URI="init.mp4"
#EXTINF:0.40000,
0.m4s
#EXT-X-PART:URI="1.0.m4s",DURATION=0.20000,INDEPENDENT=YES
#EXT-X-PART:URI="1.1.m4s",DURATION=0.20000
#EXTINF:0.40000,
1.m4s
#EXT-X-RENDITION-REPORT:URI="${other}",LAST-MSN=${last},LAST-PART=1
`;
const range = `#EXT-X-BYTERANGE:${keyPart.length}@0`;
const base = "http://127.0.0.1/live/";

/** A stream of two renditions with parts, and key frames alone, as files under their addresses. */
function makeFiles(): Record<string, string | Uint8Array> {
  const media = { "0.m4s": whole, "1.m4s": whole, "1.0.m4s": keyPart, "1.1.m4s": otherPart };
  const files: Record<string, string | Uint8Array> = {
    "master.m3u8": `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="aac",DEFAULT=YES,AUTOSELECT=YES,URI="aac/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=900000,RESOLUTION=426x240,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=10.000,AUDIO="aac"
240p/index.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=900000,RESOLUTION=426x240,CODECS="avc1.64001f",URI="240p/iframes.m3u8"
`,
    "240p/index.m3u8": list("../aac/index.m3u8", 1),
    "aac/index.m3u8": list("../240p/index.m3u8", 1),
    "240p/iframes.m3u8": `${head}#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:0.40000,\n${range}\n0.m4s\n`,
    "240p/init.mp4": initSegment(video),
    "aac/init.mp4": initSegment(plainSound),
  };
  for (const [name, bytes] of Object.entries(media)) for (const at of ["240p", "aac"]) files[`${at}/${name}`] = bytes;
  return files;
}

/** @param fileMs What every file takes to come. */
async function inspect(files: Record<string, string | Uint8Array | undefined>, fileMs = 0): Promise<RuleName[]> {
  let nowMs = 0;
  const fetchFile = async (url: string) => {
    nowMs += fileMs;
    const found = files[url.slice(base.length)];
    return typeof found === "string" ? Buffer.from(found) : found;
  };
  const { findings } = await checkStream(`${base}master.m3u8`, fetchFile, { nowMs: () => nowMs });
  return [...new Set(findings.map(({ rule }) => rule))];
}

const broken: readonly [rule: RuleName, file: string, change: (text: string) => string | Uint8Array | undefined][] = [
  ["target-duration-differs", "aac/index.m3u8", (text) => text.replace("DURATION:1", "DURATION:2")],
  [
    "discontinuity-differs",
    "aac/index.m3u8",
    (text) => text.replace("#EXTINF:0.4", "#EXT-X-DISCONTINUITY\n#EXTINF:0.4"),
  ],
  ["report-missing", "aac/index.m3u8", (text) => text.replace(/#EXT-X-RENDITION.*\n/, "")],
  ["report-stale", "aac/index.m3u8", (text) => text.replace("LAST-MSN=1", "LAST-MSN=3")],
  ["report-stale", "aac/index.m3u8", (text) => text.replace("LAST-MSN=1,", "")],
  ["map-invalid", "240p/init.mp4", () => whole],
  ["codecs-differ", "master.m3u8", (text) => text.replace('"avc1.64001f,', '"avc1.64002a,')],
  ["codecs-differ", "aac/init.mp4", () => initSegment({ ...plainSound, codec: "opus" })],
  ["resolution-differs", "master.m3u8", (text) => text.replace("426x240", "428x240")],
  [
    "bandwidth-exceeded",
    "master.m3u8",
    (text) => text.replaceAll("=900000", "=500000").replaceAll(/AVERAGE-BANDWIDTH=\d+,/g, ""),
  ],
  [
    "average-bandwidth-exceeded",
    "master.m3u8",
    (text) => text.replace("AVERAGE-BANDWIDTH=900000", "AVERAGE-BANDWIDTH=700000"),
  ],
  ["file-missing", "240p/0.m4s", () => undefined],
  ["file-missing", "aac/index.m3u8", () => undefined],
  ["part-differs", "240p/1.1.m4s", () => keyPart],
  ["part-differs", "240p/1.1.m4s", () => otherPart.slice(0, 100)],
  ["iframe-range", "240p/iframes.m3u8", (text) => text.replace(range, `#EXT-X-BYTERANGE:${whole.length}@1`)],
  [
    "iframe-not-key",
    "240p/iframes.m3u8",
    (text) => text.replace(range, `#EXT-X-BYTERANGE:${otherPart.length}@${keyPart.length}`),
  ],
  ["iframe-not-key", "240p/iframes.m3u8", (text) => text.replace(range, `#EXT-X-BYTERANGE:100@20`)],
];

describe("stream inspection", () => {
  it("passes a master playlist with all that it leads to", async () =>
    assert.deepEqual(await inspect(makeFiles()), []));

  for (const [rule, file, change] of broken) {
    it(`refuses as ${rule}: ${file}`, async () => {
      const files: Record<string, string | Uint8Array | undefined> = makeFiles();
      const [before, after] = [files[file], change(String(files[file]))];
      assert.notDeepEqual(after, before);
      // The mean is left out together with the peak, as it could not be above it.
      const found = (await inspect({ ...files, [file]: after })).filter((name) => !isAdvice(name) || isAdvice(rule));
      assert.deepEqual(found, [rule]);
    });
  }

  it("takes no report for stale where a slow server was asked long after", async () => {
    const files: Record<string, string | Uint8Array | undefined> = makeFiles();
    const late = { ...files, "aac/index.m3u8": String(files["aac/index.m3u8"]).replace("LAST-MSN=1", "LAST-MSN=3") };
    assert.ok((await inspect(late)).includes("report-stale"));
    assert.ok(!(await inspect(late, 1_000)).includes("report-stale"));
  });

  it("reads whatever files it is given, under whatever names", async () => {
    const names = Object.keys(makeFiles());
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.tuple(fc.constantFrom(whole, initSegment(video)), fc.nat(300), fc.nat(255)).map(([file, at, value]) => {
        const made = Uint8Array.from(file);
        made[at % made.length] = value;
        return made;
      }),
    );
    const uri = fc.constantFrom("http://[", "//", "data:,", "\\\\", "../../../x", "file:///etc/passwd", "%");
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), bytes, uri, fc.nat(200), async (name, file, odd, cut) => {
        const files = makeFiles();
        await inspect({ ...files, [name]: file });
        await inspect({ ...files, [name]: file.slice(0, cut) });
        for (const list of names.filter((item) => item.endsWith("m3u8"))) {
          await inspect({ ...files, [list]: String(files[list]).replaceAll(/(URI=")[^"]*|^[^#\n]+$/gm, `$1${odd}`) });
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has something that breaks each of its rules, and that alone", () => {
    const covered = new Set<string>(
      [...brokenPlaylists, ...broken.map(([rule]) => ({ rule }))].map(({ rule }) => rule),
    );
    assert.deepEqual([...covered].sort(), Object.keys(rules).sort());
  });
});
