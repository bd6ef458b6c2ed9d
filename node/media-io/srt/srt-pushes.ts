import type { FromSrtThread, SrtDial, ToSrtThread } from "./messages.ts";

export interface SrtPushEvents {
  connected(): void;
  /** So many bytes have left. */
  sent(bytes: number): void;
  /** It is over. `refused`: the server said no before there was a connection. */
  closed(refused: boolean): void;
}

/** A connection from here, towards one server. */
export interface SrtPush {
  /** Whole packets of a transport stream. */
  send(bytes: Uint8Array): void;
  /** Nothing more comes: it is closed once all has arrived. */
  finish(): void;
  close(): void;
}

/** Connections that the thread that holds libsrt makes for us. */
export class SrtPushes {
  readonly #say: (message: ToSrtThread) => void;
  readonly #pushes = new Map<number, SrtPushEvents>();
  #nextId = 1;

  constructor(say: (message: ToSrtThread) => void) {
    this.#say = say;
  }

  dial(to: Omit<SrtDial, "type" | "id">, events: SrtPushEvents): SrtPush {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pushes.set(id, events);
    this.#say({ type: "dial", id, ...to });
    return {
      send: (bytes) => this.#say({ type: "dialSend", id, bytes }),
      finish: () => this.#say({ type: "dialFinish", id }),
      close: () => {
        this.#pushes.delete(id);
        this.#say({ type: "dialClose", id });
      },
    };
  }

  handle(message: Extract<FromSrtThread, { type: "dialed" | "dialSent" | "dialClosed" }>): void {
    const events = this.#pushes.get(message.id);
    if (events === undefined) return;
    if (message.type === "dialed") events.connected();
    else if (message.type === "dialSent") events.sent(message.bytes);
    else {
      this.#pushes.delete(message.id);
      events.closed(message.refused);
    }
  }

  /** The thread is gone. */
  loseAll(): void {
    const lost = [...this.#pushes.values()];
    this.#pushes.clear();
    for (const events of lost) events.closed(false);
  }
}
