import { nameOf, type Program, type TreeNode } from "../syntax-tree.ts";
import { contractsOf, entryPointsOf, modifiersOf } from "./contracts.ts";
import { followEffects } from "./effects.ts";
import { type Detector, type Finding, findingAt, isIn } from "./finding.ts";

const GUARD = "nonReentrant";

/**
 * State written after foreign code may have run. Outside a `nonReentrant` function every such write counts; inside one,
 * only a write of a variable that a function without the guard also touches, since that one can be entered meanwhile.
 */
export const findReentrancy: Detector = (program, isOurs) => {
  const findings = new Map<string, Finding>();
  // A base is judged in what is deployed: there its calls and its guards stand together.
  for (const contract of contractsOf(program, isOurs).filter((found) => found.abstract !== true)) {
    const entries = entryPointsOf(program, contract);
    const open = entries.filter((entry) => !isGuarded(program, entry));
    const touchedOutside = new Set(open.flatMap((entry) => [...followEffects(program, contract, entry).touched]));
    for (const entry of entries) {
      const guarded = isGuarded(program, entry);
      for (const late of followEffects(program, contract, entry).lateWrites) {
        if (guarded && !touchedOutside.has(late.variable)) continue;
        if (!isIn(program, late.node, isOurs)) continue;
        const what = `(${late.variable} is written after ${late.call})`;
        const finding = findingAt(program, "reentrancy-order", late.node, what);
        findings.set(`${finding.place} ${finding.what}`, finding);
      }
    }
  }
  return [...findings.values()];
};

function isGuarded(program: Program, entry: TreeNode): boolean {
  return modifiersOf(program, entry).some((modifier) => nameOf(modifier) === GUARD);
}
