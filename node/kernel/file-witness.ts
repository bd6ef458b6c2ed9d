import { readFile } from "node:fs/promises";
import { writeFileAtomic } from "./atomic-file.ts";

/** A small text beside another file: what must not be lost along with the data folder. */
export function fileBeside(path: string) {
  const location = `${path}.store`;
  return {
    location,
    async read(): Promise<string | undefined> {
      try {
        return await readFile(location, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    write: (text: string) => writeFileAtomic(location, text, { mode: 0o600 }),
  };
}
