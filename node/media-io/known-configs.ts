import { isSameConfig, type SourceConfig } from "@leat/sdk/protocol/frame.ts";

/** Some sources repeat their configuration with every key frame: only a new one counts. */
export class KnownConfigs {
  readonly #configs = new Map<SourceConfig["kind"], SourceConfig>();

  /** Whether it differs from the last one of its kind. */
  isNew(config: SourceConfig): boolean {
    const before = this.#configs.get(config.kind);
    if (before !== undefined && isSameConfig(before, config)) return false;
    this.#configs.set(config.kind, config);
    return true;
  }

  /** What comes next is another source's. */
  clear(): void {
    this.#configs.clear();
  }
}
