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
    if (colon <= 0) throw invalid("a part's header cannot be read");
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

/** What came and was not read yet. */
class Input {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async read(size: number): Promise<Buffer> {
    while (this.#held.length < size) this.#held = Buffer.concat([this.#held, await this.#next()]);
    return this.#take(size, size);
  }

  /** What stands before the mark, which is read too. */
  async readUntil(mark: Buffer, limit: number): Promise<Buffer> {
    let chunks = [this.#held];
    let size = this.#held.length;
    // The mark may begin at the end of one chunk and go on in the next.
    let tail = this.#held;
    let before = 0;
    for (let at = tail.indexOf(mark); ; at = tail.indexOf(mark)) {
      if (at >= 0) {
        this.#held = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        if (before + at > limit) throw tooLarge("bytes", limit);
        return this.#take(before + at, before + at + mark.length);
      }
      if (size > limit + mark.length) throw tooLarge("bytes", limit);
      const next = await this.#next();
      const rest = tail.subarray(Math.max(0, tail.length - mark.length + 1));
      chunks = [...chunks, next];
      before = size - rest.length;
      size += next.length;
      tail = Buffer.concat([rest, next]);
    }
  }

  #take(size: number, read: number): Buffer {
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(read);
    return taken;
  }

  async #next(): Promise<Buffer> {
    const { value, done } = await this.#source.next();
    if (done === true) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_CUT" });
    return value;
  }
}

function invalid(reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_INVALID", reason });
}

function tooLarge(what: string, limit: number): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_TOO_LARGE", what, limit });
}
