import type { Http2Session, ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../kernel/clock.ts";
import { IDLE_MS } from "./listening.ts";

/**
 * Ends a session of HTTP/2 on which nothing is asked and nothing goes out. Node's own timer starts anew with each ping,
 * and its `close` waits for streams whose client takes nothing.
 */
export class IdleBound {
  readonly #session: Http2Session;
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  /** Since it was last looked at. */
  #isUsed = false;
  #windowBytes = 0;

  constructor(session: Http2Session, socket: TLSSocket, clock: Clock) {
    this.#session = session;
    this.#socket = socket;
    this.#clock = clock;
    const over = new AbortController();
    // The session's may never come: it waits for the other side to hang up as well.
    socket.once("close", () => over.abort());
    this.#watch(over.signal).catch(() => {});
  }

  /** To be called for each request. */
  use(stream: ServerHttp2Stream): void {
    const note = () => {
      this.#isUsed = true;
    };
    note();
    stream.on("drain", note);
    stream.once("finish", note);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let isClosing = false; ; ) {
      await this.#clock.sleep(IDLE_MS, signal);
      if (this.#wasUsed()) isClosing = false;
      else if (isClosing) this.#socket.destroy();
      else {
        isClosing = true;
        this.#session.close();
      }
    }
  }

  #wasUsed(): boolean {
    // Only bytes that go out make it smaller; a client can widen it for nothing, so that says nothing.
    const { remoteWindowSize: windowBytes = this.#windowBytes } = this.#session.state;
    const wasUsed = this.#isUsed || windowBytes < this.#windowBytes;
    this.#isUsed = false;
    this.#windowBytes = windowBytes;
    return wasUsed;
  }
}
