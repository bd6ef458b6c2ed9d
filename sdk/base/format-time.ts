/** Seconds since 1970 for people, with the zone: `2026-11-29 16:45:12 UTC`. */
export function formatTime(seconds: bigint): string {
  return new Date(Number(seconds) * 1_000).toISOString().replace("T", " ").replace(".000Z", " UTC");
}
