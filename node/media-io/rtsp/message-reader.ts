import { PullError } from "../pull/errors.ts";

/** What a server by RTSP sends: answers, requests of its own, and media between them. */
export type RtspItem =
  | { readonly type: "packet"; readonly channel: number; readonly data: Uint8Array }
  | { readonly type: "response"; readonly status: number; readonly headers: RtspHeaders; readonly body: string }
  | { readonly type: "request"; readonly method: string; readonly headers: RtspHeaders };

/** By their names in small letters; one that comes several times has all that was said. */
export type RtspHeaders = ReadonlyMap<string, readonly string[]>;

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;
const PACKET_HEAD_BYTES = 4;
/** Answers have a few hundred bytes of head. */
export const MAX_HEAD_BYTES = 16_384;
/** A description of many tracks, each with its parameter sets. */
export const MAX_BODY_BYTES = 65_536;

/** Takes a connection's bytes apart. Holds no more than one message or packet that is not whole. */
export class RtspReader {
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  /** So much must be there before it is looked at again: what comes byte by byte is not put together each time. */
  #wantedBytes = 1;

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What is whole with these bytes. @throws PULL_RTSP_INVALID */
  *read(bytes: Uint8Array): Generator<RtspItem> {
    this.#hold(bytes);
    if (this.#heldBytes < this.#wantedBytes) return;
    let data: Uint8Array = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    for (;;) {
      const found = data[0] === DOLLAR ? readPacket(data) : readMessage(data);
      this.#wantedBytes = found.sizeBytes;
      if (data.length < found.sizeBytes) break;
      data = data.subarray(found.sizeBytes);
      if (found.item !== undefined) yield found.item;
    }
    this.#pieces = [];
    this.#heldBytes = 0;
    if (data.length > 0) this.#hold(Uint8Array.prototype.slice.call(data));
  }

  #hold(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#heldBytes += bytes.length;
  }
}

/** What begins here; `sizeBytes` may be more than there is yet, and is then at least what must be there. */
interface Found {
  readonly item?: RtspItem;
  readonly sizeBytes: number;
}

function readPacket(data: Uint8Array): Found {
  if (data.length < PACKET_HEAD_BYTES) return { sizeBytes: PACKET_HEAD_BYTES };
  const sizeBytes = PACKET_HEAD_BYTES + data[2]! * 256 + data[3]!;
  if (data.length < sizeBytes) return { sizeBytes };
  // A copy: a few bytes that wait would keep alive all that came with them.
  const packet = Uint8Array.prototype.slice.call(data, PACKET_HEAD_BYTES, sizeBytes);
  return { item: { type: "packet", channel: data[1]!, data: packet }, sizeBytes };
}

function readMessage(data: Uint8Array): Found {
  if (data.length === 0) return { sizeBytes: 1 };
  // Some send an empty line after an answer.
  if (data[0] === CR || data[0] === LF) return { sizeBytes: 1 };
  const from = findBody(data.subarray(0, MAX_HEAD_BYTES));
  if (from === undefined) {
    if (data.length >= MAX_HEAD_BYTES) throw invalid("head");
    // Whoever speaks another protocol is not waited for.
    if (data[0]! < CAPITAL_A || data[0]! > CAPITAL_Z) throw invalid("start");
    return { sizeBytes: data.length + 1 };
  }
  const text = Buffer.from(data.buffer, data.byteOffset, from).toString("latin1");
  const [first, ...lines] = text.trimEnd().split(/\r?\n/);
  const headers = readHeaders(lines);
  const length = Number(headers.get("content-length")?.[0] ?? 0);
  if (!Number.isInteger(length) || length < 0 || length > MAX_BODY_BYTES) throw invalid("content length");
  const sizeBytes = from + length;
  if (data.length < sizeBytes) return { sizeBytes };
  const [, status] = /^RTSP\/[0-9.]+ ([1-9][0-9]{2})( |$)/.exec(first!) ?? [];
  if (status !== undefined) {
    const body = Buffer.from(data.buffer, data.byteOffset + from, length).toString("utf8");
    return { item: { type: "response", status: Number(status), headers, body }, sizeBytes };
  }
  const [, method] = /^([A-Z_]{1,32}) \S+ RTSP\//.exec(first!) ?? [];
  if (method === undefined) throw invalid("first line");
  return { item: { type: "request", method, headers }, sizeBytes };
}

/** What stands behind the first empty line. */
function findBody(data: Uint8Array): number | undefined {
  for (let at = data.indexOf(LF); at >= 0; at = data.indexOf(LF, at + 1)) {
    const next = data[at + 1] === CR ? at + 2 : at + 1;
    if (data[next] === LF) return next + 1;
  }
  return undefined;
}

function readHeaders(lines: readonly string[]): RtspHeaders {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const values = headers.get(name);
    if (values === undefined) headers.set(name, [value]);
    else values.push(value);
  }
  return headers;
}

export function invalid(what: string): PullError {
  return new PullError({ code: "PULL_RTSP_INVALID", what });
}
