import type { AudioConfig, Frame, SourceAudioConfig } from "../../sdk/protocol/frame.ts";
import type { AudioInput } from "../../transcoder/engine.ts";
import type { AudioGroup } from "../../transcoder/ladder.ts";
import { startAudioEncode } from "../../transcoder/supervisor.ts";
import type { MediaItem } from "../../transcoder/tools/media-item.ts";

export const bothCodecs: readonly AudioGroup[] = [
  { codec: "aac", bitrate: 96_000 },
  { codec: "opus", bitrate: 64_000 },
];

export interface Sound {
  readonly config: AudioConfig;
  readonly frames: Frame[];
}

export interface GroupOutput {
  readonly configs: AudioConfig[];
  readonly frames: Frame[];
}

/** What a worker makes of these inputs, by group. */
export async function encodeSound(
  source: SourceAudioConfig,
  inputs: readonly AudioInput[],
  groups: readonly AudioGroup[] = bothCodecs,
  channels: 1 | 2 = 2,
): Promise<GroupOutput[]> {
  const outputs = groups.map((): GroupOutput => ({ configs: [], frames: [] }));
  const worker = startAudioEncode(
    { source, channels, groups },
    {
      config: (index, _version, config) => outputs[index]!.configs.push(config),
      frame: (index, frame) => outputs[index]!.frames.push(frame),
      error() {},
      exit() {},
    },
  );
  try {
    for (const input of inputs) await worker.push(input);
    await worker.end();
  } finally {
    worker.kill();
  }
  return outputs;
}

/** How many channels packets themselves are of. AAC that begins with filling does not say. */
export function channelsIn(codec: string, frames: readonly Frame[]): number[] {
  const found = frames.flatMap(({ data }) => {
    if (codec === "opus") return (data[0]! & 4) === 0 ? 1 : 2;
    const element = data[0]! >> 5;
    return element <= 1 ? element + 1 : [];
  });
  return [...new Set(found)];
}

export function soundOf(items: readonly MediaItem[]): Sound {
  const config = items.flatMap((item) =>
    item.type === "config" && item.config.kind === "audio" ? [item.config] : [],
  )[0]!;
  const frames = items.flatMap((item) => (item.type === "frame" && item.frame.kind === "audio" ? [item.frame] : []));
  return { config, frames };
}

export const toInputs = (frames: readonly Frame[]) => frames.map((frame): AudioInput => ({ type: "frame", frame }));
