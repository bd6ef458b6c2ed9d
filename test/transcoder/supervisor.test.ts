import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { LiveInput, LiveSpec } from "@leat/transcoder/engine.ts";
import { giveWay } from "@leat/transcoder/give-way.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import type { LiveTranscode } from "@leat/transcoder/supervisor.ts";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { videoConfigs, videoFrames, withBoundaries } from "../support/live-run.ts";

const LADDER = [{ name: "a", codec: "h264", height: 144, videoBitrate: 250_000, audioBitrate: 64_000 }] as const;
const ORPHAN = fileURLToPath(new URL("../support/orphan-worker.ts", import.meta.url));

/** Where the kernel weighs sessions. */
const hasSessions = existsSync("/proc/self/autogroup");

describe("transcoder/supervisor", () => {
  let spec: LiveSpec;
  let inputs: LiveInput[] = [];
  let worker: LiveTranscode | undefined;

  before(async () => {
    const items = await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 2 } });
    spec = { source: videoConfigs(items)[0]!, rungs: resolveLadder(LADDER, { width: 320, height: 240 }).rungs };
    inputs = withBoundaries(videoFrames(items), []);
  });

  afterEach(() => worker?.kill());

  /** Starts a worker and gives its exit. */
  function start(events: { onFrame?: () => void } = {}) {
    const exit = Promise.withResolvers<Error | undefined>();
    const errors: string[] = [];
    const live = startLiveTranscode(spec, {
      config() {},
      frame: () => events.onFrame?.(),
      segmentEnd() {},
      error: (error) => errors.push(error.code),
      exit: exit.resolve,
    });
    worker = live;
    return { live, exit: exit.promise, errors };
  }

  it("tells a worker that was killed, and takes nothing more", async () => {
    const { live, exit } = start({ onFrame: () => process.kill(live.pid!, "SIGKILL") });
    const isLost = (error: unknown) => isCodedError(error) && error.code === "TRANSCODE_WORKER_LOST";
    const pushing = (async () => {
      for (;;) for (const input of inputs) await live.push(input);
    })();
    await assert.rejects(pushing, isLost);
    assert.ok(isLost(await exit));
    await assert.rejects(live.end(), isLost);
  });

  it("lets whoever serves viewers go first, with every thread and with its session", async () => {
    const nicer = Math.min(19, getPriority() + 5);
    const framed = Promise.withResolvers<void>();
    // Two at once: of whoever is not the system's administrator the kernel takes the wish of one at a time.
    const first = start();
    try {
      const { live } = start({ onFrame: framed.resolve });
      for (const input of inputs) await live.push(input);
      await framed.promise;
      assert.deepEqual([...new Set(readNiceness(live.pid!))], [nicer]);
      for (const { pid } of [first.live, live]) {
        // Nothing tells when the kernel has taken it.
        while (hasSessions && readSessionNiceness(pid!) !== 5) await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      first.live.kill();
    }
  });

  it("lets them go first with threads that had begun, too", async () => {
    const nicer = Math.min(19, getPriority() + 5);
    const wait = "process.stdout.write('here'); setInterval(() => {}, 1_000_000)";
    const other = spawn(process.execPath, ["-e", wait], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    try {
      await once(other.stdout!, "data");
      assert.ok(readNiceness(other.pid!).length > 1);
      giveWay(other.pid!);
      assert.deepEqual([...new Set(readNiceness(other.pid!))], [nicer]);
    } finally {
      other.kill("SIGKILL");
    }
  });

  it("ends without an error when all of it came out", async () => {
    let frames = 0;
    const { live, exit, errors } = start({
      onFrame: () => {
        frames += 1;
      },
    });
    for (const input of inputs) await live.push(input);
    await live.end();
    assert.equal(await exit, undefined);
    assert.equal(frames, 60);
    assert.deepEqual(errors, []);
  });

  it("holds a bounded number of inputs however fast they come", async () => {
    const { live } = start();
    const pushes: Promise<void>[] = [];
    let released = 0;
    const countRelease = () => {
      released += 1;
    };
    for (let turn = 0; turn < 4; turn += 1) {
      for (const input of inputs) pushes.push(live.push(input).then(() => countRelease()));
      await pushes[0];
    }
    assert.ok(released < pushes.length);
    await Promise.all(pushes);
    assert.ok(live.queued() < 128);
    await live.end();
  });

  it("tells what an engine cannot do", async () => {
    // Smaller than a coding unit.
    const rungs = spec.rungs.map((rung) => ({ ...rung, codec: "hevc" as const, width: 2, height: 2 }));
    const exit = Promise.withResolvers<Error | undefined>();
    const codes: string[] = [];
    const live = startLiveTranscode(
      { ...spec, rungs },
      { config() {}, frame() {}, segmentEnd() {}, error: (error) => codes.push(error.code), exit: exit.resolve },
    );
    worker = live;
    for (const input of inputs) await live.push(input).catch(() => {});
    const error = await exit.promise;
    assert.ok(isCodedError(error) && error.code === "TRANSCODE_ENCODER_FAILED");
    assert.deepEqual(codes, ["TRANSCODE_ENCODER_FAILED"]);
  });

  it("leaves no worker behind when its parent dies", async () => {
    const parent = spawn(process.execPath, [ORPHAN], { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = (await once(parent.stdout!, "data")) as [Buffer];
    const pid = Number(String(said).trim());
    assert.ok(isAlive(pid));
    parent.kill("SIGKILL");
    await once(parent, "close");
    // The worker is no child of ours: its end can only be asked for.
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Of each thread of a process. Linux. */
function readNiceness(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

function readSessionNiceness(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/autogroup`, "utf8").trim().split(" ").at(-1));
}
