import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { frameSize } from "@leat/sdk/protocol/frame.ts";

const messageBytes = (message: MediaMessage) => (message.type === "frame" ? frameSize(message.frame) : 0) + 64;

/**
 * Sends in order what comes from callbacks that cannot wait. Whoever makes more output waits for `room` first, so what
 * is held stays near the limit.
 */
export class Outgoing {
  readonly #connection: Pick<MediaConnection, "send">;
  readonly #maxBytes: number;
  #bytes = 0;
  #tail: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(connection: Pick<MediaConnection, "send">, maxBytes: number) {
    this.#connection = connection;
    this.#maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  /** Never throws: a broken connection shows at `room` and `flushed`. */
  enqueue(message: MediaMessage): void {
    const bytes = messageBytes(message);
    this.#bytes += bytes;
    this.#tail = this.#tail.then(async () => {
      try {
        if (this.#failure === undefined) await this.#connection.send(message);
      } catch (error) {
        this.#failure ??= { error };
      }
      this.#bytes -= bytes;
      if (this.#failure !== undefined || this.#bytes <= this.#maxBytes) {
        for (const wake of this.#waiting.splice(0)) wake();
      }
    });
  }

  async room(): Promise<void> {
    if (this.#failure === undefined && this.#bytes > this.#maxBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#throwFailure();
  }

  async flushed(): Promise<void> {
    await this.#tail;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
