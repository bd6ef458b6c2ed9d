import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

const root = resolve(import.meta.dirname, "../../../..");
const media = resolve(root, "../shared/media/skip_1.ts");
const ladder = [
  { name: "tall", codec: "h264", height: 180, videoBitrate: 200_000, audioBitrate: 64_000 },
  { name: "open", codec: "vp9", height: 120, videoBitrate: 100_000, audioBitrate: 48_000 },
];

describe("cli/commands/transcode", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-transcode-"));
    await writeFile(join(folder, "ladder.json"), JSON.stringify(ladder));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function transcode(input: string, ladderFile = join(folder, "ladder.json"), ...more: string[]) {
    const args = ["transcode", input, "--ladder", ladderFile, "--out", join(folder, "out"), ...more];
    const child = spawn(process.execPath, [join(root, "node/cli/main.ts"), ...args]);
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "exit"),
    ]);
    return { stdout, stderr, exitCode };
  }

  it("says that nothing can be written, also where a folder takes no new ones", async () => {
    const { stderr, exitCode } = await transcode("x.mp4", undefined, "--out", "/proc/leat/out");
    assert.equal(exitCode, 1);
    assert.match(stderr, /^TRANSCODE_OUTPUT_UNWRITABLE: \/proc\/leat\/out cannot be written \(.*ENOENT\)/);
  });

  it("answers what it cannot do with a code, and leaves no file", async () => {
    await writeFile(join(folder, "text.mp4"), "no media");
    await writeFile(join(folder, "bad.json"), "7");
    const good = join(folder, "text.mp4");
    for (const [input, ladderFile, code] of [
      [join(folder, "none.mp4"), undefined, "TRANSCODE_INPUT_MISSING"],
      [good, undefined, "TRANSCODE_INPUT_UNREADABLE"],
      [good, join(folder, "none.json"), "LADDER_FILE_UNREADABLE"],
      [good, join(folder, "bad.json"), "LADDER_INVALID"],
    ] as const) {
      const { stdout, exitCode } = await transcode(input, ladderFile, "--json");
      assert.equal(exitCode, 1);
      assert.equal(JSON.parse(stdout).error.code, code);
    }
    assert.deepEqual(existsSync(join(folder, "out")) ? await readdir(join(folder, "out")) : [], []);
  });

  // Real media stands beside the checkout, not in it: without it this case is not registered.
  if (existsSync(media)) {
    it("writes one MP4 for each rung and reports them", async () => {
      const { stdout, stderr, exitCode } = await transcode(media, undefined, "--json");
      assert.equal(exitCode, 0, stderr);
      const report = JSON.parse(stdout);
      assert.deepEqual(
        report.renditions.map((one: { name: string; codec: string }) => [one.name, one.codec]),
        [
          ["tall", "h264"],
          ["open", "vp9"],
        ],
      );
      for (const { frames, height, width, bytes, file } of report.renditions) {
        assert.equal(frames, report.source.frames);
        assert.ok(height % 2 === 0 && width % 2 === 0);
        assert.equal((await stat(file)).size, bytes);
      }
      assert.deepEqual(report.dropped, []);
      assert.ok(report.cpuMs > 0 && report.wallMs > 0);
    });
  }
});
