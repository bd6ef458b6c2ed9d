import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkDelta, checkReload } from "@leat/node/media/inspect/check-reload.ts";
import { rules } from "@leat/node/media/inspect/rules.ts";
import { goodDeltas, goodPlaylists } from "../broken-playlists.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { type FuzzCasesReport, fuzzCases } from "./fuzz-cases.ts";
import { mixLines, mutate, pick, pickOne } from "./mutate.ts";

const good = [...Object.values(goodPlaylists), ...goodDeltas.flat()];
const seeds = good.map((text) => new TextEncoder().encode(text));

/** Playlists that are inspected alone, as what follows another, and as a delta. Brings findings. */
export function fuzzInspection(cases: number, seed: number): Promise<FuzzCasesReport> {
  return fuzzCases(cases, seed, (random) => {
    const bytes = corrupt(random);
    const text = Buffer.from(bytes).toString();
    const other = pick(random, 2) === 0 ? pickOne(random, good) : Buffer.from(corrupt(random)).toString();
    const findings = [
      ...checkPlaylist(bytes),
      ...checkReload(other, text),
      ...checkReload(text, other),
      ...checkDelta(other, text, other),
    ];
    const lines = Math.max(...[text, other].map((playlist) => playlist.split(/\r\n|\n|\r/).length));
    for (const { rule, line = 1, found } of findings) {
      assert.ok(Object.hasOwn(rules, rule) && line >= 1 && line <= lines && found.length <= 120, `${rule} in ${line}`);
    }
    return findings.length;
  });
}

function corrupt(random: SeededRandom): Uint8Array {
  const mixed = mixLines(random, seeds);
  return random.next() < 0.5 ? mutate(random, mixed, pickOne(random, seeds)) : mixed;
}
