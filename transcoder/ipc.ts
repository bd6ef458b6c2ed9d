import { deserialize, serialize } from "node:v8";
import { TranscodeError } from "./errors.ts";

/** A 4K key frame stays below 4 MiB; anything larger is a broken peer, refused before it is held. */
const MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024;

/** Length prefix and structured clone: bytes travel as bytes, without base64 or JSON. */
export function encodeMessage(message: unknown): Buffer {
  const body = serialize(message);
  const framed = Buffer.allocUnsafe(4 + body.length);
  framed.writeUInt32BE(body.length, 0);
  body.copy(framed, 4);
  return framed;
}

/** Cuts a byte stream into the messages that `encodeMessage` wrote. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #held = 0;

  /** The messages that `chunk` completed, in order. */
  *push(chunk: Buffer): Generator<unknown> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= 4) {
      const bodyBytes = this.#gather(4).readUInt32BE(0);
      if (bodyBytes > MESSAGE_LIMIT_BYTES) {
        throw new TranscodeError({ code: "TRANSCODE_MESSAGE_INVALID", reason: `${bodyBytes} bytes` });
      }
      if (this.#held < 4 + bodyBytes) return;
      const whole = this.#gather(4 + bodyBytes);
      this.#chunks[0] = whole.subarray(4 + bodyBytes);
      this.#held -= 4 + bodyBytes;
      yield deserialize(whole.subarray(4, 4 + bodyBytes));
    }
  }

  /** The first held chunk, joined with as many more as `bytes` asks for: each byte is joined at most a few times. */
  #gather(bytes: number): Buffer {
    const first = this.#chunks[0] ?? Buffer.alloc(0);
    if (first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
