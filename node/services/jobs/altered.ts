const known = [
  "DELIVERY_PART_",
  "DELIVERY_MESSAGE_UNEXPECTED",
  "DELIVERY_SEGMENT_TOO_LARGE",
  "PACKAGER_",
  "STATEMENT_",
];

/** Whether a code says that a holder sent what the stream's origin did not publish, or cannot: who sent it is to blame. */
export function isAltered(code: string): boolean {
  return known.some((begin) => code.startsWith(begin));
}
