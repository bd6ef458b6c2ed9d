import { TranscodeError } from "../../errors.ts";

export interface MultipartPart {
  /** By their names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface MultipartLimits {
  readonly maxParts: number;
  readonly maxPartBytes: number;
}

const MAX_HEAD_BYTES = 8_192;
/** A piece of a connection is at most as long. */
const FIRST_ROOM_BYTES = 65_536;
const HEAD_END = Buffer.from("\r\n\r\n");
const CLOSING = Buffer.from("--");

/**
 * The parts of a `multipart/mixed` answer, read as it comes: no more is held than the limits allow. What follows the
 * closing boundary is not read.
 * @throws TRANSCODE_GATEWAY_ANSWER_INVALID, _ANSWER_CUT, _ANSWER_TOO_LARGE
 */
export async function readMultipart(
  contentType: string | undefined,
  body: AsyncIterable<Buffer>,
  limits: MultipartLimits,
): Promise<MultipartPart[]> {
  const input = new Input(body);
  const boundary = readBoundary(contentType);
  const parts: MultipartPart[] = [];
  // Every boundary but the first ends a line.
  await input.readUntil(Buffer.from(`--${boundary}`), MAX_HEAD_BYTES);
  const mark = Buffer.from(`\r\n--${boundary}`);
  while (true) {
    const next = await input.read(CLOSING.length);
    if (CLOSING.equals(next)) return parts;
    if (next.toString() !== "\r\n") throw invalid("no line ends a boundary");
    if (parts.length === limits.maxParts) throw tooLarge("parts", limits.maxParts);
    const headers = readHeaders(await input.readUntil(HEAD_END, MAX_HEAD_BYTES));
    const whole = await input.readUntil(mark, limits.maxPartBytes);
    const told = headers.get("content-length");
    if (told !== undefined && Number(told) !== whole.length) {
      throw invalid(`a part of ${whole.length} bytes says that it has ${told}`);
    }
    parts.push({ headers, body: whole });
  }
}

function readBoundary(contentType = ""): string {
  const match = /^multipart\/mixed\s*;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw invalid("it is not multipart/mixed");
  return boundary;
}

function readHeaders(head: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.toString("latin1").split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name === "") throw invalid("a part's header cannot be read");
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** What came and was not read yet. */
class Input {
  readonly #source: AsyncIterator<Buffer>;
  /** Grows by doubling: a list of what came would hold far more than its bytes where pieces are small. */
  #room = Buffer.allocUnsafeSlow(FIRST_ROOM_BYTES);
  #start = 0;
  #end = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async read(size: number): Promise<Buffer> {
    while (this.#end - this.#start < size) await this.#fetch();
    return this.#take(size, size);
  }

  /** What stands before the mark, which is read too. */
  async readUntil(mark: Buffer, limit: number): Promise<Buffer> {
    for (let looked = 0; ; ) {
      const held = this.#room.subarray(this.#start, this.#end);
      const at = held.indexOf(mark, looked);
      if (at > limit || (at < 0 && held.length > limit + mark.length)) throw tooLarge("bytes", limit);
      if (at >= 0) return this.#take(at, at + mark.length);
      // The mark may begin at the end of what is here and go on in what comes next.
      looked = Math.max(0, held.length - mark.length + 1);
      await this.#fetch();
    }
  }

  /** The bytes stay where they are: what comes later is written behind them, or into other room. */
  #take(size: number, read: number): Buffer {
    const taken = this.#room.subarray(this.#start, this.#start + size);
    this.#start += read;
    return taken;
  }

  async #fetch(): Promise<void> {
    const { value, done } = await this.#source.next();
    if (done === true) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_CUT" });
    if (this.#end + value.length > this.#room.length) {
      const held = this.#room.subarray(this.#start, this.#end);
      this.#room = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM_BYTES, (held.length + value.length) * 2));
      this.#room.set(held);
      this.#start = 0;
      this.#end = held.length;
    }
    this.#room.set(value, this.#end);
    this.#end += value.length;
  }
}

function invalid(reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_INVALID", reason });
}

function tooLarge(what: string, limit: number): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_TOO_LARGE", what, limit });
}
