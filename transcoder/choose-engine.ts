import type { EngineName, GatewaySettings } from "./engine.ts";
import { isCoded, TranscodeError } from "./errors.ts";
import { type EncoderPreference, type PickedEncoders, pickEncoders } from "./pick-encoders.ts";
import type { EncoderReport } from "./probe.ts";
import { probeEncoders } from "./probe.ts";

export type EngineChoice = EngineName | "auto";

/** Of its encoders there is at least one, and each truly works here. */
export interface ChosenEngine extends Partial<Pick<PickedEncoders, "passedOver">>, Pick<PickedEncoders, "encoders"> {
  readonly engine: EngineName;
}

export type Probe = (options: {
  readonly engine: EngineName;
  readonly gateway?: GatewaySettings;
}) => Promise<readonly EncoderReport[]>;

export interface EngineOptions {
  readonly probe?: Probe;
  readonly prefer?: EncoderPreference;
  /** Of the engine that needs one: without, it cannot be chosen. */
  readonly gateway?: GatewaySettings;
}

/**
 * The engine that this machine's jobs use, believed after it encoded real frames. `auto` prefers the bindings. Rejects
 * with what the last one tried is missing, and how to install it.
 */
export async function chooseEngine(wanted: EngineChoice, options: EngineOptions = {}): Promise<ChosenEngine> {
  if (wanted !== "auto") return tryEngine(wanted, options);
  try {
    return await tryEngine("node-av", options);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return tryEngine("ffmpeg", options);
  }
}

async function tryEngine(
  engine: EngineName,
  { probe = probeEncoders, prefer = "fastest", gateway }: EngineOptions,
): Promise<ChosenEngine> {
  if (engine !== "livepeer") return pick(engine, await probe({ engine }), prefer);
  if (gateway === undefined) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_UNSET" });
  return pick(engine, await probe({ engine, gateway }), prefer);
}

function pick(engine: EngineName, reports: readonly EncoderReport[], prefer: EncoderPreference): ChosenEngine {
  const picked = pickEncoders(reports, prefer);
  const [first] = reports;
  if (picked.encoders.length > 0 || first === undefined) return { engine, ...picked };
  throw new TranscodeError({ code: "TRANSCODE_ENCODER_FAILED", codec: first.codec, reason: first.reason ?? "" });
}
