import { formatTime } from "@leat/sdk/base/format-time.ts";
import type { AudienceInfo, StreamInfo } from "@leat/sdk/client/actions/streams.ts";

const steps = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** Who watches a stream and what viewers got; nothing of one that nobody ever got anything of. */
export function describeAudience({ audience, state }: Pick<StreamInfo, "audience" | "state">): string[] {
  const { viewers, servedBytes, watchedMs } = audience;
  if (audience.peakViewers === 0 && servedBytes === "0") return [];
  const now = state === "ended" ? [] : [`${viewers === 0 ? "nobody" : viewers} watching now`];
  const facts = [
    ...now,
    describePeak(audience),
    `${formatHours(watchedMs)} watched`,
    `${formatBytes(servedBytes)} served`,
  ];
  return [`by the word of its edges, which nobody is paid by: ${facts.join(", ")}, your agent's looks included`];
}

function describePeak({ peakViewers, peakAtMs }: AudienceInfo): string {
  if (peakAtMs === null) return "never a viewer";
  return `${peakViewers} at most at ${formatTime(BigInt(Math.floor(peakAtMs / 1_000)))}`;
}

/** `12:05:09`, hours first. */
function formatHours(ms: string): string {
  const seconds = BigInt(ms) / 1_000n;
  const two = (value: bigint) => `${value}`.padStart(2, "0");
  return `${seconds / 3_600n}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
}

/** With one digit behind the point, rounded down. */
function formatBytes(text: string): string {
  const step = Math.min(Math.floor((text.length - 1) / 3), steps.length - 1);
  const tenths = (BigInt(text) * 10n) / 1_000n ** BigInt(step);
  return step === 0 ? `${text} ${steps[0]}` : `${tenths / 10n}.${tenths % 10n} ${steps[step]}`;
}
