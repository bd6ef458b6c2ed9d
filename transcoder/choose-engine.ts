import type { EngineName } from "./engine.ts";
import { isCoded, TranscodeError } from "./errors.ts";
import type { EncoderReport } from "./probe.ts";
import { probeEncoders } from "./probe.ts";

export type EngineChoice = EngineName | "auto";

export interface ChosenEngine {
  readonly engine: EngineName;
  /** Encoders that truly work here; at least one. */
  readonly encoders: readonly EncoderReport[];
}

export type Probe = (options: { readonly engine: EngineName }) => Promise<readonly EncoderReport[]>;

/**
 * The engine that this machine's jobs use, believed after it encoded real frames. `auto` prefers the bindings. Rejects
 * with what the last one tried is missing, and how to install it.
 */
export async function chooseEngine(wanted: EngineChoice, probe: Probe = probeEncoders): Promise<ChosenEngine> {
  if (wanted !== "auto") return tryEngine(wanted, probe);
  try {
    return await tryEngine("node-av", probe);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return tryEngine("ffmpeg", probe);
  }
}

async function tryEngine(engine: EngineName, probe: Probe): Promise<ChosenEngine> {
  const reports = await probe({ engine });
  const encoders = reports.filter(({ works }) => works);
  const [first] = reports;
  if (encoders.length > 0 || first === undefined) return { engine, encoders };
  throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: first.codec, reason: first.reason ?? "" });
}
