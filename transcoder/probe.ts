import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { Child } from "./child.ts";
import type { EngineName } from "./engine.ts";
import { TranscodeError } from "./errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

export interface ProbeSpec {
  readonly engine: EngineName;
  readonly codecs: readonly VideoCodec[];
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/** One encoder that truly encoded and whose output was decoded again, and how fast it was. */
export interface EncoderReport {
  readonly codec: VideoCodec;
  readonly encoder: string;
  readonly works: boolean;
  readonly pixelsPerSecond: number;
  readonly reason?: string;
}

export interface ProbeOptions {
  readonly engine?: EngineName;
  readonly codecs?: readonly VideoCodec[];
  readonly timeoutMs?: number;
}

const WORKER = new URL("./worker.ts", import.meta.url);
/** Enough frames for a speed, few enough to start in a second. */
const PROBE = { width: 640, height: 360, frames: 40 } as const;

/** Encoders are listed without working (hardware above all), so each encodes real frames, in a forked worker. */
export async function probeEncoders(options: ProbeOptions = {}): Promise<EncoderReport[]> {
  const { engine = "node-av", codecs = ["h264", "vp9"] } = options;
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    let reports: readonly EncoderReport[] = [];
    let told: TranscodeError | undefined;
    const child = new Child({
      entry: WORKER,
      threads: 2,
      onMessage: (raw) => {
        const message = raw as FromWorker;
        if (message.type === "probed") reports = message.encoders;
        if (message.type === "error") told = new TranscodeError(message.detail, { message: message.message });
        if (message.type === "finished") child.done();
      },
      onExit: (error) => {
        clearTimeout(timer);
        if (error) reject(told ?? error);
        else resolve([...reports]);
      },
    });
    const timer = setTimeout(
      () => child.fail(new TranscodeError({ code: "TRANSCODE_WORKER_STALLED", limitMs: timeoutMs })),
      timeoutMs,
    );
    child.send({ type: "start", job: "probe", spec: { engine, codecs, ...PROBE } } satisfies ToWorker);
  });
}
