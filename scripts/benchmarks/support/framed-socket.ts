import type { Socket } from "node:net";
import type { Turns } from "@leat/node/kernel/turns.ts";
import { decodeValue, encodeValue } from "@leat/node/wire/cbor.ts";

const MAX_BYTES = 1_000_000;

/** CBOR messages with four bytes of length before each, as node to node, over a socket of this machine. */
export class FramedSocket {
  readonly #socket: Socket;
  #held: Buffer = Buffer.alloc(0);

  /** @param patience What messages wait for before it is looked what they say, as in `wire/patient-calls.ts`. */
  constructor(socket: Socket, hear: (message: unknown) => void, patience?: Turns) {
    this.#socket = socket;
    const take = (bytes: Uint8Array) => hear(decodeValue(bytes, MAX_BYTES));
    socket.on("data", (chunk: Buffer) => {
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
      let at = 0;
      while (this.#held.length - at >= 4) {
        const end = at + 4 + this.#held.readUInt32BE(at);
        if (end > this.#held.length) break;
        const bytes = this.#held.subarray(at + 4, end);
        if (patience === undefined) take(bytes);
        else void patience.next().then(() => take(bytes));
        at = end;
      }
      this.#held = this.#held.subarray(at);
    });
  }

  send(message: unknown): void {
    const body = encodeValue(message);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.byteLength);
    // Answers of one moment share a write, as they do in a multiplexed stream.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      setImmediate(() => this.#socket.uncork());
    }
    this.#socket.write(length);
    this.#socket.write(body);
  }

  close(): void {
    this.#socket.destroy();
  }
}
