/** What one viewer fetched from one edge. */
export interface Viewed {
  readonly segments: number;
  readonly bytes: number;
  readonly firstSegmentAtMs: number | undefined;
  readonly ended: boolean;
}

/** How often a viewer looks at a playlist: half of the shortest segment, as players do. */
const pollMs = 1_000;

/**
 * Plays every rung and audio group of a stream from one edge, as so many ordinary players would: reads playlists,
 * fetches each segment once, until every playlist has ended. An edge that does not answer is asked again.
 */
export class RungViewer {
  readonly #masterUrl: string;
  readonly #seen = new Set<string>();
  #bytes = 0;
  #firstSegmentAtMs: number | undefined;
  #ended = false;

  constructor(masterUrl: string) {
    this.#masterUrl = masterUrl;
  }

  get viewed(): Viewed {
    return {
      segments: this.#seen.size,
      bytes: this.#bytes,
      firstSegmentAtMs: this.#firstSegmentAtMs,
      ended: this.#ended,
    };
  }

  /** Resolves when every playlist has ended or `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#ended) {
      const again = pause(pollMs, signal);
      try {
        this.#ended = await this.#round(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof TypeError) && !(error instanceof UnansweredError)) throw error;
      }
      if (!this.#ended) await again;
    }
  }

  async #round(signal: AbortSignal): Promise<boolean> {
    const master = await this.#text(this.#masterUrl, signal);
    const urls = playlistsOf(master).map((uri) => new URL(uri, this.#masterUrl).href);
    if (urls.length === 0) return false;
    const ended = await Promise.all(urls.map((url) => this.#playlist(url, signal)));
    return ended.every(Boolean);
  }

  async #playlist(url: string, signal: AbortSignal): Promise<boolean> {
    const playlist = await this.#text(url, signal);
    const lines = playlist.split("\n");
    for (const [index, line] of lines.entries()) {
      if (line === "" || line.startsWith("#") || lines[index - 1] === "#EXT-X-GAP") continue;
      const segment = new URL(line, url).href;
      if (this.#seen.has(segment)) continue;
      this.#bytes += (await this.#fetch(segment, signal)).byteLength;
      this.#seen.add(segment);
      this.#firstSegmentAtMs ??= Date.now();
    }
    return lines.includes("#EXT-X-ENDLIST");
  }

  async #text(url: string, signal: AbortSignal): Promise<string> {
    return new TextDecoder().decode(await this.#fetch(url, signal));
  }

  async #fetch(url: string, signal: AbortSignal): Promise<ArrayBuffer> {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new UnansweredError(`${url} answered ${response.status}`);
    return response.arrayBuffer();
  }
}

class UnansweredError extends Error {}

/** Every playlist that a master names: variants and audio groups, each once. */
export function playlistsOf(master: string): string[] {
  const uris = master.split("\n").flatMap((line) => {
    if (line.startsWith("#EXT-X-MEDIA:")) return /URI="([^"]+)"/.exec(line)?.slice(1) ?? [];
    return line === "" || line.startsWith("#") ? [] : [line];
  });
  return [...new Set(uris)];
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
