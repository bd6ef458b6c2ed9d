import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";

/** A parent that starts a live worker, tells its process id, and waits to be killed. */
const source = {
  kind: "video",
  codec: "h264",
  timescale: 90_000,
  width: 320,
  height: 240,
  description: new Uint8Array(),
  codecString: "avc1.640015",
} as const;
const live = startLiveTranscode(
  { source, rungs: [] },
  { config() {}, frame() {}, segmentEnd() {}, error() {}, exit() {} },
);
process.stdout.write(`${live.pid}\n`);
