/** What an SRT address names behind its host. */
export interface SrtNames {
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  /** For how long lost packets may be sent again, and how much later everything is for it. */
  readonly latencyMs: number | undefined;
}

/** libsrt's. */
const MAX_STREAM_ID_BYTES = 512;
const MAX_LATENCY_MS = 10_000;

/**
 * Reads what stands behind the question mark of an address that is called, as programs write it: `#!::r=NAME` begins no
 * fragment, a plus is a plus, and what is escaped is UTF-8. Fields that we know nothing of are passed over.
 * @returns Undefined for what cannot be read, a stream id that libsrt would not take, another mode than caller, and a
 * latency beyond ten seconds.
 */
export function readSrtNames(query: string): SrtNames | undefined {
  let fields: ReadonlyMap<string, string>;
  try {
    fields = new Map(query.split("&").map(readField));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
  const [streamId, passphrase] = [fields.get("streamid"), fields.get("passphrase")];
  const isCaller = (fields.get("mode") ?? "caller") === "caller";
  const isShort = Buffer.byteLength(streamId ?? "") <= MAX_STREAM_ID_BYTES;
  const latencyMs = readLatency(fields.get("latency") || undefined);
  return isCaller && isShort && latencyMs !== null ? { streamId, passphrase, latencyMs } : undefined;
}

/** Milliseconds, or microseconds as the ffmpeg program has them, which are more than any number of the other. */
function readLatency(text: string | undefined): number | undefined | null {
  if (text === undefined) return undefined;
  if (!/^\d{1,8}$/.test(text)) return null;
  const number = Number(text);
  if (number <= MAX_LATENCY_MS) return number;
  return number <= MAX_LATENCY_MS * 1_000 ? Math.ceil(number / 1_000) : null;
}

/** @throws URIError */
function readField(field: string): readonly [string, string] {
  const at = field.indexOf("=");
  return at < 0 ? [field, ""] : [field.slice(0, at), decodeURIComponent(field.slice(at + 1))];
}
