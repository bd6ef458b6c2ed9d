/** Why an attempt ends whose node lied: what of it waits is paid to nobody. */
export const badWorkCodes = ["CHECK_FAILED", "CHECK_CONTRADICTED"] as const;

export function isBadWork(endCode: string | null): boolean {
  return badWorkCodes.some((code) => code === endCode);
}
