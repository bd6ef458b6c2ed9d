import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Equivocation, equivocationFromJson, equivocationToJson } from "@leat/sdk/protocol/faults.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { writeFileAtomic } from "../kernel/atomic-file.ts";

/** Of one work: job, segment and attempt of a node. */
export interface EvidenceKey {
  readonly node: Hex;
  readonly job: Hex;
  readonly attempt: number;
  readonly seq: bigint;
}

/** Proofs of faults, one file each, in the form that `leat fault report` takes: also after this node is gone. */
export class EvidenceFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Resolves when it is durable. The first proof of a work stays. False where there is one already. */
  async put(key: EvidenceKey, pair: Equivocation): Promise<boolean> {
    await mkdir(this.#folder, { recursive: true });
    const name = nameOf(key);
    if ((await this.#names()).includes(name)) return false;
    await writeFileAtomic(join(this.#folder, name), `${JSON.stringify(equivocationToJson(pair), null, 2)}\n`);
    return true;
  }

  /** All that can be read; a file that somebody damaged is left where it is. */
  async list(): Promise<Equivocation[]> {
    const pairs: Equivocation[] = [];
    for (const name of await this.#names()) {
      const text = await readFile(join(this.#folder, name), "utf8");
      try {
        pairs.push(equivocationFromJson(JSON.parse(text)));
      } catch {
        // Nobody can report it; the others still count.
      }
    }
    return pairs;
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter((name) => name.endsWith(".json")).toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

function nameOf({ node, job, attempt, seq }: EvidenceKey): string {
  return `${node}-${job}-${attempt}-${seq}.json`;
}
