import { connect, type Socket } from "node:net";
import type { Turns } from "@leat/node/kernel/turns.ts";
import { decodeValue, encodeValue } from "@leat/node/wire/cbor.ts";

const MAX_BYTES = 1_000_000;
const READ_BYTES = 65_536;

/**
 * CBOR messages with four bytes of length before each, as node to node, over a socket of this machine. Who connects reads
 * into one buffer, without a stream: what stands in for a transport costs its process little.
 */
export class FramedSocket {
  readonly #socket: Socket;
  readonly #hear: (message: unknown) => void;
  readonly #patience: Turns | undefined;
  #held: Buffer = Buffer.alloc(0);

  private constructor(
    open: (read: (chunk: Uint8Array) => void) => Socket,
    hear: (message: unknown) => void,
    patience?: Turns,
  ) {
    this.#hear = hear;
    this.#patience = patience;
    this.#socket = open((chunk) => this.#read(chunk));
  }

  static accept(socket: Socket, hear: (message: unknown) => void): FramedSocket {
    return new FramedSocket((read) => socket.on("data", read), hear);
  }

  /** @param patience What messages wait for before it is looked what they say, as in `wire/patient-calls.ts`. */
  static connect(path: string, hear: (message: unknown) => void, patience: Turns): FramedSocket {
    const buffer = Buffer.alloc(READ_BYTES);
    return new FramedSocket(
      (read) => {
        const callback = (length: number) => {
          read(buffer.subarray(0, length));
          return true;
        };
        return connect({ path, onread: { buffer, callback } });
      },
      hear,
      patience,
    );
  }

  #read(chunk: Uint8Array): void {
    // A copy: the chunk's memory is read into again, and messages wait.
    const held = Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (held.length - at >= 4) {
      const end = at + 4 + held.readUInt32BE(at);
      if (end > held.length) break;
      this.#take(held.subarray(at + 4, end));
      at = end;
    }
    this.#held = held.subarray(at);
  }

  #take(bytes: Uint8Array): void {
    const hear = () => this.#hear(decodeValue(bytes, MAX_BYTES));
    if (this.#patience === undefined) hear();
    else void this.#patience.next().then(hear);
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
