/** Playlists as a viewer reads them: only what finding one segment needs. */

const MAX_PLAYLIST_BYTES = 1_048_576;

/** URLs of the video variants of a master playlist. */
export function readVariants(text: string, base: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines
    .map((line, at) => (line.startsWith("#EXT-X-STREAM-INF:") ? lines[at + 1]?.trim() : undefined))
    .filter((uri) => uri !== undefined && uri !== "" && !uri.startsWith("#"))
    .map((uri) => new URL(uri!, base).href);
}

export interface ListedSegment {
  readonly url: string;
  readonly gap: boolean;
}

/** Where a media playlist has segment `sequence`: `later` when it is still to come, `gone` when it has left. */
export function findSegment(text: string, base: string, sequence: number): ListedSegment | "later" | "gone" {
  const lines = text.split(/\r?\n/);
  const first = lines.find((line) => line.startsWith("#EXT-X-MEDIA-SEQUENCE:"));
  let at = Number(first?.slice("#EXT-X-MEDIA-SEQUENCE:".length) ?? "0");
  if (sequence < at) return "gone";
  let gap = false;
  for (const line of lines) {
    if (line === "#EXT-X-GAP") gap = true;
    if (line === "" || line.startsWith("#")) continue;
    if (at === sequence) return { url: new URL(line, base).href, gap };
    at += 1;
    gap = false;
  }
  return lines.includes("#EXT-X-ENDLIST") ? "gone" : "later";
}

export interface Fetcher {
  /** The text of a playlist; undefined when the edge does not have it. */
  text(url: string, signal: AbortSignal): Promise<string | undefined>;
  /** Size of a file by its headers alone; undefined when the edge does not say. */
  size(url: string, signal: AbortSignal): Promise<number | undefined>;
  /** The bytes of a range; fewer or more than asked for are given as they came, up to one more. */
  range(url: string, offset: number, length: number, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

/** Fetches as a viewer does. Every answer is bounded: the edge is the one that is under suspicion. */
export function createFetcher(timeoutMs: number): Fetcher {
  const ask = async (url: string, init: RequestInit, signal: AbortSignal) => {
    const limits = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await fetch(url, { ...init, redirect: "error", signal: limits });
    if (response.ok) return response;
    await response.body?.cancel();
    return undefined;
  };
  return {
    async text(url, signal) {
      const response = await ask(url, {}, signal);
      if (response === undefined) return undefined;
      return new TextDecoder().decode(await readAtMost(response, MAX_PLAYLIST_BYTES));
    },
    async size(url, signal) {
      const response = await ask(url, { method: "HEAD" }, signal);
      const length = Number(response?.headers.get("content-length") ?? Number.NaN);
      return Number.isSafeInteger(length) ? length : undefined;
    },
    async range(url, offset, length, signal) {
      const headers = { range: `bytes=${offset}-${offset + length - 1}` };
      const response = await ask(url, { headers }, signal);
      if (response === undefined) return undefined;
      // A server that ignores ranges sends the whole file: the part is inside.
      const isWhole = response.status === 200;
      const bytes = await readAtMost(response, isWhole ? offset + length : length + 1);
      return isWhole ? bytes.subarray(offset, offset + length) : bytes;
    },
  };
}

async function readAtMost(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}
