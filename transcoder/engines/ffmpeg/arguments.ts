import type { ResolvedRung } from "../../ladder.ts";
import type { VideoPreset } from "../../presets.ts";

/** The encoder's settings as the program's options: the same that the bindings get. */
export function videoArguments(rung: ResolvedRung, preset: VideoPreset, gop: number, threads: number): string[] {
  const rates = preset.maxrate > 0 ? ["-maxrate", preset.maxrate, "-bufsize", preset.bufsize] : [];
  const minrate = preset.minrate ? ["-minrate", preset.minrate] : [];
  const settings = Object.entries(preset.options).flatMap(([name, value]) => [`-${name}`, value]);
  const rate = ["-c:v", preset.encoder, "-b:v", rung.videoBitrate, ...rates, ...minrate];
  return [...rate, "-g", gop, "-bf", 0, "-threads", threads, "-pix_fmt", "yuv420p", ...settings].map(String);
}

/** Splits `input` into one scaled picture for each rung, labelled v0, v1, … */
export function scaleGraph(input: string, rungs: readonly ResolvedRung[], before = ""): string {
  const labels = rungs.map((_, index) => `[s${index}]`).join("");
  const scales = rungs.map(({ width, height, fps }, index) => {
    const thin = fps === undefined ? "" : `fps=${fps},`;
    return `[s${index}]${thin}scale=${width}:${height}:flags=bicubic,format=yuv420p[v${index}]`;
  });
  return [`${input}${before}split=${rungs.length}${labels}`, ...scales].join(";");
}
