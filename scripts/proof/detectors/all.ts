import type { Program } from "../syntax-tree.ts";
import type { Detector, Finding } from "./finding.ts";
import { findStorageReadsInLoops, findUnboundedLoops } from "./loops.ts";
import { findReentrancy } from "./reentrancy.ts";
import { findUncheckedCalls } from "./unchecked-calls.ts";
import { findUnexplained } from "./unexplained.ts";

const detectors: readonly Detector[] = [
  findUncheckedCalls,
  findReentrancy,
  findUnboundedLoops,
  findStorageReadsInLoops,
  findUnexplained,
];

export function findAllFaults(program: Program, isOurs: (path: string) => boolean): Finding[] {
  return detectors.flatMap((detect) => detect(program, isOurs));
}
