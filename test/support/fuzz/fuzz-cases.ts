import { isCodedError } from "@leat/sdk/base/errors.ts";
import { randomFrom, type SeededRandom } from "../seeded-random.ts";

export interface FuzzCasesReport {
  readonly read: number;
  readonly refused: ReadonlyMap<string, number>;
  /** The sum of what the cases gave. */
  readonly brought: number;
}

/** Throws an error that names seed and case for anything but what is of use, or a coded refusal. */
export async function fuzzCases(
  cases: number,
  seed: number,
  run: (random: SeededRandom) => number | Promise<number>,
): Promise<FuzzCasesReport> {
  const refused = new Map<string, number>();
  let [read, brought] = [0, 0];
  for (let index = 0; index < cases; index += 1) {
    // Of its own seed, so that one case can be had again without those before it.
    const random = randomFrom((seed + index * 2_654_435_761) >>> 0);
    try {
      brought += await run(random);
      read += 1;
    } catch (error) {
      if (!isCodedError(error)) throw new Error(`case ${index} of seed ${seed}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
  }
  return { read, refused, brought };
}
