/** What an SRT address names behind its host. */
export interface SrtNames {
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
}

/** libsrt's. */
const MAX_STREAM_ID_BYTES = 512;

/**
 * Reads what stands behind the question mark of an address that is called, as programs write it: `#!::r=NAME` begins no
 * fragment, a plus is a plus, and what is escaped is UTF-8. Fields that we know nothing of are passed over.
 * @returns Undefined for what cannot be read, a stream id that libsrt would not take, and another mode than caller.
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
  return isCaller && isShort ? { streamId, passphrase } : undefined;
}

/** @throws URIError */
function readField(field: string): readonly [string, string] {
  const at = field.indexOf("=");
  return at < 0 ? [field, ""] : [field.slice(0, at), decodeURIComponent(field.slice(at + 1))];
}
