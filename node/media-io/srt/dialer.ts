import { type SrtLibrary, srtStates } from "./library.ts";
import type { FromSrtThread, SrtDial, ToSrtThread } from "./messages.ts";
import { SrtOutlet } from "./outlet.ts";

interface Call {
  readonly id: number;
  readonly socket: number;
  readonly outlet: SrtOutlet;
  isConnected: boolean;
  /** Nothing more comes: it is closed once all has arrived, and at this time at the latest. */
  endsAtMs: number | undefined;
}

const TICK_MS = 10;
/**
 * libsrt gives up what is not acknowledged a second after it was sent, or after the latency; the rest may still be held
 * back.
 */
const FINISH_MS = 1_100;
/** libsrt's reason where nobody answered. */
const TIMED_OUT = 16;

/** Connections from here to servers that somebody named: looked at every few milliseconds, and never waited for. */
export class SrtDialer {
  readonly #library: SrtLibrary;
  readonly #send: (message: FromSrtThread) => void;
  readonly #calls = new Map<number, Call>();
  #timer: NodeJS.Timeout | undefined;

  constructor(library: SrtLibrary, send: (message: FromSrtThread) => void) {
    this.#library = library;
    this.#send = send;
  }

  handle(message: Extract<ToSrtThread, { type: "dial" | "dialSend" | "dialFinish" | "dialClose" }>): void {
    if (message.type === "dial") {
      this.#dial(message);
      return;
    }
    const call = this.#calls.get(message.id);
    if (call === undefined) return;
    if (message.type === "dialSend") call.outlet.push(message.bytes);
    else if (message.type === "dialFinish")
      call.endsAtMs = performance.now() + FINISH_MS + this.#library.latencyOf(call.socket);
    else this.#close(call);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const sockets = [...this.#calls.values()].map(({ socket }) => socket);
    this.#calls.clear();
    await Promise.all(sockets.map((socket) => this.#library.closeLater(socket)));
  }

  #dial({ id, host, port, streamId, passphrase, latencyMs }: SrtDial): void {
    const srt = this.#library;
    const socket = srt.create();
    const set = [
      srt.neverWait(socket),
      latencyMs === undefined ? 0 : srt.setPeerLatency(socket, latencyMs),
      streamId === undefined ? 0 : srt.setStreamId(socket, streamId),
      passphrase === undefined ? 0 : srt.setPassphrase(socket, passphrase),
      srt.connect(socket, host, port),
    ];
    const call = { id, socket, outlet: new SrtOutlet(srt, socket), isConnected: false, endsAtMs: undefined };
    this.#calls.set(id, call);
    if (set.some((result) => result !== 0)) this.#lose(call, false);
    else this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const call of this.#calls.values()) this.#look(call, nowMs);
    if (this.#calls.size > 0) this.#timer = setTimeout(() => this.#tick(), TICK_MS);
  }

  #look(call: Call, nowMs: number): void {
    const { id, socket, outlet } = call;
    const state = this.#library.state(socket);
    if (state > srtStates.connected) {
      const reason = call.isConnected ? 0 : this.#library.rejectReason(socket);
      this.#lose(call, reason > 0 && reason !== TIMED_OUT);
      return;
    }
    if (state < srtStates.connected) return;
    if (!call.isConnected) {
      call.isConnected = true;
      this.#send({ type: "dialed", id });
    }
    const bytes = outlet.drain(nowMs);
    if (bytes > 0) this.#send({ type: "dialSent", id, bytes });
    if (call.endsAtMs === undefined) return;
    // Programs let go of what they hold back when the connection ends.
    if (nowMs > call.endsAtMs) this.#lose(call, false);
  }

  #lose(call: Call, refused: boolean): void {
    this.#close(call);
    this.#send({ type: "dialClosed", id: call.id, refused });
  }

  #close({ id, socket }: Call): void {
    this.#calls.delete(id);
    void this.#library.closeLater(socket);
  }
}
