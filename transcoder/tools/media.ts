import type { AudioConfig, Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { Child } from "../child.ts";
import type { TranscodeErrorDetail } from "../errors.ts";
import { TranscodeError } from "../errors.ts";
import type { MediaInput, MediaItem, PatternOptions } from "./media-item.ts";

export type ToMediaChild =
  | { readonly type: "read"; readonly input: MediaInput }
  | { readonly type: "judge"; readonly config: SourceVideoConfig; readonly frames: readonly Frame[] }
  | { readonly type: "look"; readonly config: SourceVideoConfig; readonly frames: readonly Frame[] }
  | { readonly type: "listen"; readonly config: AudioConfig; readonly frames: readonly Frame[] }
  | { readonly type: "write"; readonly input: MediaInput; readonly path: string };

export type FromMediaChild =
  | { readonly type: "item"; readonly item: MediaItem }
  | { readonly type: "numbers"; readonly numbers: readonly (number | null)[] }
  | { readonly type: "seen"; readonly sight: Sight }
  | { readonly type: "heard"; readonly loudness: Loudness }
  | { readonly type: "error"; readonly detail: TranscodeErrorDetail }
  | { readonly type: "finished" };

/** On the frames' own clock; silence is what lasts for 100 ms. */
export interface Loudness {
  /** Where the first stretch of silence begins and ends. */
  readonly fallsAtMs: number;
  readonly risesAtMs: number;
  /** Where each stretch of silence ends. */
  readonly beepsAtMs: readonly number[];
}

export interface Sight {
  /** When pictures turn white, on the frames' own clock. */
  readonly flashesAtMs: readonly number[];
  /** The caption constructs of each picture in the order of showing, in hex; empty where there are none. */
  readonly captions: readonly string[];
}

const CHILD = new URL("./media-child.ts", import.meta.url);

/** Everything in a source, in decoding order. For tests and short sources: all of it is held. */
export async function readMedia(input: MediaInput): Promise<MediaItem[]> {
  const items: MediaItem[] = [];
  await runChild({ type: "read", input }, (message) => {
    if (message.type === "item") items.push(message.item);
  });
  return items;
}

/** The barcodes that a decoder sees in these frames, in the order in which it shows them. */
export async function readBarcodes(config: SourceVideoConfig, frames: readonly Frame[]): Promise<(number | null)[]> {
  let numbers: readonly (number | null)[] = [];
  await runChild({ type: "judge", config, frames }, (message) => {
    if (message.type === "numbers") ({ numbers } = message);
  });
  return [...numbers];
}

/** What else a decoder sees in these frames. */
export async function readSight(config: SourceVideoConfig, frames: readonly Frame[]): Promise<Sight> {
  let sight: Sight = { flashesAtMs: [], captions: [] };
  await runChild({ type: "look", config, frames }, (message) => {
    if (message.type === "seen") ({ sight } = message);
  });
  return sight;
}

/** What a decoder hears in these frames. */
export async function readLoudness(config: AudioConfig, frames: readonly Frame[]): Promise<Loudness> {
  let loudness: Loudness = { fallsAtMs: Number.NaN, risesAtMs: Number.NaN, beepsAtMs: [] };
  await runChild({ type: "listen", config, frames }, (message) => {
    if (message.type === "heard") ({ loudness } = message);
  });
  return loudness;
}

/** Writes the pattern to an FLV file. */
export async function writePattern(path: string, pattern: PatternOptions): Promise<void> {
  await runChild({ type: "write", input: { pattern }, path }, () => {});
}

function runChild(start: ToMediaChild, onMessage: (message: FromMediaChild) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let told: TranscodeError | undefined;
    const child = new Child({
      entry: CHILD,
      threads: 2,
      onMessage: (raw) => {
        const message = raw as FromMediaChild;
        if (message.type === "error") told = new TranscodeError(message.detail);
        else if (message.type === "finished") child.done();
        else onMessage(message);
      },
      onExit: (error) => (error ? reject(told ?? error) : resolve()),
    });
    child.send(start);
  });
}
