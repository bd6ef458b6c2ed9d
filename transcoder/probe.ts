import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import { Child } from "./child.ts";
import { encodersOf, type KnownEncoder } from "./encoders.ts";
import type { EngineName, GatewaySettings } from "./engine.ts";
import { isCoded, TranscodeError } from "./errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

export interface ProbeSpec {
  readonly engine: EngineName;
  readonly gateway?: GatewaySettings;
  readonly encoders: readonly KnownEncoder[];
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/**
 * One encoder that truly encoded, gave key frames where they were asked for and nowhere else, and whose output was
 * decoded again; and how fast it was.
 */
export interface EncoderReport {
  readonly codec: VideoCodec;
  readonly encoder: string;
  readonly works: boolean;
  readonly pixelsPerSecond: number;
  readonly reason?: string;
}

export interface ProbeOptions {
  readonly engine?: EngineName;
  readonly gateway?: GatewaySettings;
  readonly codecs?: readonly VideoCodec[];
  /** Of one encoder. */
  readonly timeoutMs?: number;
}

const WORKER = new URL("./worker.ts", import.meta.url);
/** A driver that hangs is given up after so long. */
const ENCODER_TIMEOUT_MS = 30_000;
/** Enough frames for a speed, few enough to start in a second. */
const PROBE = { width: 640, height: 360, frames: 30 } as const;
/** The way there and back is a part of a gateway's speed: two segments as long as a live stream's. */
const GATEWAY_PROBE = { ...PROBE, frames: 120 } as const;

/**
 * Encoders are listed without working (hardware above all), so each encodes real frames, in a forked worker. One that
 * crashes it or hangs is not believed, and another worker goes on with those behind it.
 */
export async function probeEncoders({
  engine = "node-av",
  gateway,
  codecs,
  timeoutMs = ENCODER_TIMEOUT_MS,
}: ProbeOptions = {}): Promise<EncoderReport[]> {
  const encoders = encodersOf(engine).filter(({ codec }) => codecs === undefined || codecs.includes(codec));
  const pictures = engine === "livepeer" ? GATEWAY_PROBE : PROBE;
  return probeEach(encoders, (rest, events) => {
    return runWorker({ engine, gateway, encoders: rest, ...pictures }, timeoutMs, events);
  });
}

export interface ProbeEvents {
  /** The engine is loaded: what goes wrong from here on is the encoder's. */
  began(): void;
  report(report: EncoderReport): void;
}

/** Tries encoders in a worker, tells of each, and rejects where the worker is lost. */
export type ProbeRun = (encoders: readonly KnownEncoder[], events: ProbeEvents) => Promise<unknown>;

/** Every encoder's report. Rejects where a worker is lost before it could begin: no encoder is to blame then. */
export async function probeEach(encoders: readonly KnownEncoder[], run: ProbeRun): Promise<EncoderReport[]> {
  const reports: EncoderReport[] = [];
  while (reports.length < encoders.length) {
    let hasBegun = false;
    try {
      await run(encoders.slice(reports.length), {
        began: () => {
          hasBegun = true;
        },
        report: (report) => reports.push(report),
      });
      break;
    } catch (error) {
      const at = encoders[reports.length];
      if (!isCoded(error) || !hasBegun || at === undefined || !isLoss(error)) throw error;
      const { codec, encoder } = at;
      reports.push({ codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message });
    }
  }
  return reports;
}

/** An engine that is not there says so itself. */
function isLoss({ code }: TranscodeError): boolean {
  return code === "TRANSCODE_WORKER_LOST" || code === "TRANSCODE_WORKER_STALLED";
}

function runWorker(spec: ProbeSpec, timeoutMs: number, events: ProbeEvents): Promise<void> {
  return new Promise((resolve, reject) => {
    let told: TranscodeError | undefined;
    const child = new Child({
      entry: WORKER,
      threads: 2,
      onMessage: (raw) => {
        timer.refresh();
        const message = raw as FromWorker;
        if (message.type === "taken") events.began();
        if (message.type === "probed") events.report(message.report);
        if (message.type === "error") told = new TranscodeError(message.detail, { message: message.message });
        if (message.type === "finished") child.done();
      },
      onExit: (error) => {
        clearTimeout(timer);
        if (error) reject(told ?? error);
        else resolve();
      },
    });
    const timer = setTimeout(
      () => child.fail(new TranscodeError({ code: "TRANSCODE_WORKER_STALLED", limitMs: timeoutMs })),
      timeoutMs,
    );
    child.send({ type: "start", job: "probe", spec } satisfies ToWorker);
  });
}
