/** Why an edge has its stream from a node no more, by the code that stands there. */
const holderTexts: Readonly<Record<string, string>> = {
  DELIVERY_PARENT_SILENT: "it said nothing any more",
  DELIVERY_PARENT_LATE: "what it brought fell behind the stream",
  DELIVERY_PARENT_BEHIND: "the edge stood behind the stream while that one fed it",
  DELIVERY_RUNG_WITHHELD: "it did not bring all rungs that viewers follow",
  DELIVERY_SEGMENTS_CUT: "it left segments before their end, again and again",
  DELIVERY_FEEDS_FULL: "it feeds as many edges as it may",
  DELIVERY_ORIGIN_OTHER: "it has the stream from another origin",
  DELIVERY_ORIGIN_LOST: "the connection to it was lost",
  DELIVERY_ENDED: "it serves the stream no more",
  DELIVERY_PART_ALTERED: "it sent what the origin did not publish",
  DELIVERY_PART_UNMARKED: "it sent what the origin did not sign",
  DELIVERY_MESSAGE_UNEXPECTED: "it sent what no holder sends",
  DELIVERY_SEGMENT_TOO_LARGE: "it sent more than a segment may have",
  STATEMENT_SIGNER_WRONG: "it sent what the origin did not sign",
};

/** `CODE: why`, or the code alone where nobody wrote why: nodes of other versions have codes of their own. */
export function describeHolderFault(code: string): string {
  const text = Object.hasOwn(holderTexts, code) ? holderTexts[code] : undefined;
  return text === undefined ? code : `${code}: ${text}`;
}
