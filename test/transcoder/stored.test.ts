import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, open, readdir, rm, stat, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import { listMediaFiles, probeVideo } from "../support/media-files.ts";

const LADDER: Ladder = [
  { name: "720p", codec: "h264", height: 720, videoBitrate: 2_500_000, audioBitrate: 128_000 },
  { name: "360p", codec: "h264", height: 360, videoBitrate: 800_000, audioBitrate: 96_000 },
  { name: "360p-vp9", codec: "vp9", height: 360, videoBitrate: 600_000, audioBitrate: 64_000 },
];
const [, , SMALL] = LADDER;
/** One picture at 25 a second: where times do not rise, programs disagree about the end by as much. */
const DURATION_TOLERANCE_S = 0.04;

describe("transcoder/stored", () => {
  let directory = "";
  let pattern = "";

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-stored-"));
    pattern = join(directory, "pattern.flv");
    await writePattern(pattern, { width: 320, height: 240, fps: 30, durationS: 2 });
  });

  after(() => rm(directory, { recursive: true, force: true }));

  for (const input of listMediaFiles()) {
    it(`gives ${basename(input)} its codec, size, frame count and duration on every rung`, async function () {
      this.timeout(180_000);
      const outDir = join(directory, basename(input));
      const source = await probeVideo(input);
      const report = await transcodeFile({ input, ladder: LADDER, outDir });
      assert.equal(report.source.frames, source.frames);
      assert.ok(Math.abs(report.source.durationMs / 1000 - source.durationS) <= DURATION_TOLERANCE_S);
      assert.equal(report.renditions.length + report.dropped.length, LADDER.length);
      for (const rendition of report.renditions) {
        const made = await probeVideo(rendition.file);
        assert.deepEqual(
          [made.codec, made.width, made.height, made.frames],
          [rendition.codec, rendition.width, rendition.height, source.frames],
        );
        const wanted = LADDER.find(({ name }) => name === rendition.name)!;
        assert.equal(Math.min(made.width, made.height), Math.min(wanted.height, source.width, source.height));
        assert.ok(Math.abs(made.durationS - source.durationS) <= DURATION_TOLERANCE_S);
        assert.equal(made.hasAudio, source.hasAudio);
        assert.equal((await stat(rendition.file)).size, rendition.bytes);
      }
    });
  }

  const strange: readonly [string, readonly string[]][] = [
    [
      "interlaced pictures",
      ["-vf", "tinterlace=interleave_top", "-c:v", "libx264", "-flags", "+ildct+ilme", "-f", "mpegts"],
    ],
    ["RGB", ["-c:v", "libx264rgb", "-f", "matroska"]],
    ["10 bits of 4:2:2", ["-pix_fmt", "yuv422p10le", "-c:v", "libx264", "-f", "mp4"]],
    ["the full range of a camera", ["-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-f", "avi"]],
    ["an odd width", ["-vf", "scale=161:121", "-pix_fmt", "yuv444p", "-c:v", "libx264", "-f", "mp4"]],
  ];
  for (const [index, [what, args]] of strange.entries()) {
    it(`takes ${what}`, async function () {
      this.timeout(60_000);
      const input = join(directory, `strange-${index}`);
      const source = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=1"];
      await promisify(execFile)("ffmpeg", [...source, ...args, input]);
      const shown = await probeVideo(input);
      const report = await transcodeFile({ input, ladder: LADDER, outDir: join(directory, `strange-out-${index}`) });
      assert.equal(report.source.frames, shown.frames);
      for (const rendition of report.renditions) {
        assert.equal((await probeVideo(rendition.file)).frames, shown.frames);
      }
    });
  }

  const wrong: readonly [string, (path: string) => Promise<unknown>, string][] = [
    ["an input that is not there", async () => {}, "TRANSCODE_INPUT_MISSING"],
    ["a directory", (path) => mkdir(path), "TRANSCODE_INPUT_NOT_A_FILE"],
    ["an empty file", (path) => writeFile(path, ""), "TRANSCODE_INPUT_EMPTY"],
    ["a text", (path) => writeFile(path, "no video\n".repeat(1000)), "TRANSCODE_INPUT_UNREADABLE"],
    ["a file that was cut", (path) => cut(pattern, path), "TRANSCODE_INPUT_TRUNCATED"],
    ["sound alone", (path) => writeFile(path, waveFile()), "TRANSCODE_INPUT_NO_VIDEO"],
  ];
  for (const [index, [what, make, code]] of wrong.entries()) {
    it(`refuses ${what} and leaves nothing behind`, async () => {
      const input = join(directory, `wrong-${index}`);
      const outDir = join(directory, `wrong-out-${index}`);
      await make(input);
      await assert.rejects(
        transcodeFile({ input, ladder: [SMALL!], outDir }),
        (error) => isCodedError(error) && error.code === code,
      );
      assert.deepEqual(await readdir(outDir).catch(() => []), []);
    });
  }

  it("refuses an output folder that is a file", async () => {
    const outDir = join(directory, "taken");
    await writeFile(outDir, "");
    await assert.rejects(
      transcodeFile({ input: pattern, ladder: [SMALL!], outDir }),
      (error) => isCodedError(error) && error.code === "TRANSCODE_OUTPUT_UNWRITABLE",
    );
  });

  it("kills a worker that shows no progress", async () => {
    await assert.rejects(
      transcodeFile({ input: pattern, ladder: [SMALL!], outDir: join(directory, "stalled"), stallMs: 1 }),
      (error) => isCodedError(error) && error.code === "TRANSCODE_WORKER_STALLED",
    );
  });

  it("leaves nothing behind where its worker is killed in the middle", async () => {
    const input = join(directory, "long.flv");
    const outDir = join(directory, "killed");
    await writePattern(input, { width: 640, height: 360, fps: 30, durationS: 20 });
    await mkdir(outDir);
    const abort = new AbortController();
    // The first change in the folder is the unfinished file.
    const watching = watch(outDir, { signal: abort.signal });
    const transcoding = transcodeFile({ input, ladder: [SMALL!], outDir, signal: abort.signal });
    const [first] = [await watching[Symbol.asyncIterator]().next()];
    assert.match(String(first!.value?.filename), /\.part$/);
    abort.abort();
    await assert.rejects(transcoding, { name: "AbortError" });
    assert.deepEqual(await readdir(outDir), []);
  });

  it("writes no more frames a second than a rung asks for", async () => {
    const outDir = join(directory, "slow");
    const report = await transcodeFile({ input: pattern, ladder: [{ ...SMALL!, fps: 15 }], outDir });
    assert.equal(report.source.frames, 60);
    assert.equal(report.renditions[0]!.frames, 30);
    assert.equal((await probeVideo(report.renditions[0]!.file)).frames, 30);
  });
});

async function cut(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, "r+");
  try {
    // The end falls into a picture's bytes.
    await file.truncate(Math.floor((await file.stat()).size / 2) - 1000);
  } finally {
    await file.close();
  }
}

/** A second of 8-bit silence. */
function waveFile(): Buffer {
  const rate = 8000;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + rate, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(rate, 40);
  return Buffer.concat([head, Buffer.alloc(rate, 128)]);
}
