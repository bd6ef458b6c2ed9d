/** What one endpoint said of the head, in the order of the settings. */
export interface ToldHead {
  readonly head: bigint;
  /** It rose within the last minute or so. */
  readonly isRising: boolean;
}

/**
 * Which head to believe of those that were told at one moment: the newest that a second endpoint bears out, since one
 * alone could name any number and would be asked for everything above the others. Where no two agree, the first of the
 * settings is believed, as it would be alone; one that stands still while another rises is not.
 *
 * Example, `maxLag` 5: 100, 98 and 10^9 make 100; 100 and 10^9 make 100, and 10^9 once 100 has stood still for a minute.
 */
export function believedHead(told: readonly ToldHead[], maxLag: bigint): bigint | undefined {
  const borneOut = told.filter((one) => told.some((other) => other !== one && isNear(other.head, one.head, maxLag)));
  const [newest] = borneOut.map(({ head }) => head).sort((one, other) => (one < other ? 1 : -1));
  if (newest !== undefined) return newest;
  return (told.find(({ isRising }) => isRising) ?? told[0])?.head;
}

/** Not more than `maxLag` blocks apart, either way. */
export function isNear(one: bigint, other: bigint, maxLag: bigint): boolean {
  return (one > other ? one - other : other - one) <= maxLag;
}
