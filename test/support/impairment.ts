import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { randomFrom } from "./seeded-random.ts";
import type { Fate } from "./udp-relay.ts";

/** What a bad way through a network does to packets, in the direction that media take. */
export interface Impairment {
  /** The part of all packets that never come, 0 to 1. */
  readonly loss: number;
  /** A packet comes up to so much later than it was sent, each by itself: packets overtake each other. */
  readonly jitterMs: number;
}

/** Counts what it did: a test over a way that lost nothing shows nothing. */
export class BadWay {
  packets = 0;
  lost = 0;
  readonly #impairment: Impairment;
  readonly #random = randomFrom();

  constructor(impairment: Impairment) {
    this.#impairment = impairment;
  }

  /** Of the next packet. */
  next(): Fate {
    this.packets += 1;
    if (this.#random.next() < this.#impairment.loss) {
      this.lost += 1;
      return "lost";
    }
    return Math.ceil(this.#random.next() * this.#impairment.jitterMs);
  }

  describe(): string {
    return `${this.lost} of ${this.packets} packets lost, seed ${this.#random.seed}`;
  }
}

/** What TCP carries in one packet on most ways. */
const PACKET_BYTES = 1_448;
/** The least time after which Linux sends a packet again that nobody acknowledged. */
const RESEND_MS = 200;
/** Of one connection's way: who sends more has to wait, as by a full window. */
const MOST_AHEAD_BYTES = 1 << 20;

/**
 * Stands between clients and a TCP port. What comes from the server comes in order, as TCP has it: a packet that is
 * lost holds up all that follow until it was sent again.
 */
export class TcpRelay {
  readonly way: BadWay;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(way: BadWay, serverPort: number) {
    this.way = way;
    this.#server = createServer((client) => {
      const upstream = connect(serverPort, "127.0.0.1");
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      client.pipe(upstream);
      this.#delay(upstream, client);
    });
  }

  static async start(way: BadWay, serverPort: number): Promise<TcpRelay> {
    const relay = new TcpRelay(way, serverPort);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #delay(from: Socket, to: Socket): void {
    let aheadBytes = 0;
    let dueAt = 0;
    from.on("data", (chunk: Buffer) => {
      aheadBytes += chunk.length;
      if (aheadBytes > MOST_AHEAD_BYTES) from.pause();
      dueAt = Math.max(dueAt, Date.now() + this.#onTheWayMs(chunk.length));
      setTimeout(() => {
        to.write(chunk);
        aheadBytes -= chunk.length;
        if (aheadBytes <= MOST_AHEAD_BYTES) from.resume();
      }, dueAt - Date.now());
    });
    from.on("end", () => setTimeout(() => to.end(), Math.max(0, dueAt - Date.now())));
  }

  /** Until the last packet of so many bytes is there, milliseconds. */
  #onTheWayMs(bytes: number): number {
    let latest = 0;
    for (let at = 0; at < bytes; at += PACKET_BYTES) {
      let ms = 0;
      let fate = this.way.next();
      for (; fate === "lost"; fate = this.way.next()) ms += RESEND_MS;
      latest = Math.max(latest, ms + fate);
    }
    return latest;
  }
}
