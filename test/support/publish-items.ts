import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";

export const publishInfo = () =>
  ({ protocol: "rtmp", address: "192.0.2.1", signal: new AbortController().signal }) as const;

/** Gives a sink what an RTMP connection would, in milliseconds, as fast as it is taken. */
export async function publishItems(sink: PublishSink, items: readonly MediaItem[]): Promise<void> {
  const rates = { video: 90_000, audio: 48_000 };
  for (const item of items) {
    if (item.type === "config") {
      rates[item.config.kind] = item.config.timescale;
      await sink.config(item.config.kind, item.config);
      continue;
    }
    const { kind, dts, pts, key, data } = item.frame;
    const toMs = (ticks: number) => Math.round((ticks * 1000) / rates[kind]);
    if (kind === "audio") await sink.audio({ dtsMs: toMs(dts), data });
    else await sink.video({ dtsMs: toMs(dts), ctsMs: toMs(pts) - toMs(dts), key, data });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** For what no event tells: a condition that must come to hold within the test's time. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
