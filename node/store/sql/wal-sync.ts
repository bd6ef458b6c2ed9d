import { closeSync, fdatasyncSync, fsyncSync, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const segmentPattern = /^[0-9A-F]{24}$/;

/**
 * Forces PostgreSQL's write-ahead log to disk. The embedded build writes it on commit but its file system layer has no
 * fsync at all, so a commit would outlive the process and not a power cut.
 */
export class WalSync {
  readonly #folder: string;
  readonly #known = new Set<string>();
  #newestMs = 0;

  constructor(location: string) {
    this.#folder = join(location, "pg_wal");
  }

  sync(): void {
    let newestMs = this.#newestMs;
    let grew = false;
    for (const name of readdirSync(this.#folder)) {
      if (!segmentPattern.test(name)) continue;
      const path = join(this.#folder, name);
      const { mtimeMs } = statSync(path);
      // Equal counts as newer: two writes may share a tick of the file system's clock.
      if (mtimeMs < this.#newestMs) continue;
      withFile(path, fdatasyncSync);
      if (mtimeMs > newestMs) newestMs = mtimeMs;
      if (!this.#known.has(name)) {
        this.#known.add(name);
        grew = true;
      }
    }
    if (grew) withFile(this.#folder, fsyncSync);
    this.#newestMs = newestMs;
  }
}

function withFile(path: string, use: (file: number) => void): void {
  const file = openSync(path, "r");
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}
