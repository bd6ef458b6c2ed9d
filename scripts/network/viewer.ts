/** What one viewer fetched of one playlist. */
export interface ViewedRung {
  /** The rendition's name: the playlist's folder. */
  readonly name: string;
  readonly segments: number;
  /** Pictures, or packets of audio, counted in what was served. */
  readonly frames: number;
}

/** What one viewer fetched from one edge. */
export interface Viewed {
  readonly rungs: readonly ViewedRung[];
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
  readonly #rungs = new Map<string, ViewedRung>();
  #bytes = 0;
  #firstSegmentAtMs: number | undefined;
  #ended = false;

  constructor(masterUrl: string) {
    this.#masterUrl = masterUrl;
  }

  get viewed(): Viewed {
    return {
      rungs: [...this.#rungs.values()],
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
    let gap = false;
    for (const line of lines) {
      // It stands somewhere before the segment that is not there: whoever asked for that one would wait for ever.
      if (line === "#EXT-X-GAP") gap = true;
      if (line === "" || line.startsWith("#")) continue;
      const missing = gap;
      gap = false;
      if (missing) continue;
      const segment = new URL(line, url).href;
      if (this.#seen.has(segment)) continue;
      const bytes = await this.#fetch(segment, signal);
      this.#bytes += bytes.byteLength;
      this.#seen.add(segment);
      const name = new URL(url).pathname.split("/").at(-2) ?? "";
      const counted = this.#rungs.get(name) ?? { name, segments: 0, frames: 0 };
      const frames = counted.frames + countSamples(new DataView(bytes));
      this.#rungs.set(name, { name, segments: counted.segments + 1, frames });
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

const containers = new Set(["moof", "traf"]);

/** Samples in fragmented MP4: the sum of every run's count. */
export function countSamples(view: DataView, from = 0, to = view.byteLength): number {
  let samples = 0;
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > to) return samples;
    const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    if (containers.has(type)) samples += countSamples(view, at + 8, at + size);
    // Version and flags stand before the count.
    else if (type === "trun" && size >= 16) samples += view.getUint32(at + 12);
    at += size;
  }
  return samples;
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
