import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** What becomes of a datagram: it never comes, or it comes so many milliseconds later. */
export type Fate = "lost" | number;

/** Stands between a client and a UDP port, and loses or delays what it is told to. */
export class UdpRelay {
  /** Of a datagram towards the client, or from it. */
  fate: (bytes: Uint8Array, towards: "client" | "server") => Fate = () => 0;
  readonly #late = new Set<NodeJS.Timeout>();
  readonly #front: Socket;
  readonly #back: Socket;
  readonly #serverPort: number;
  #client: { port: number; address: string } | undefined;

  private constructor(front: Socket, back: Socket, serverPort: number) {
    this.#front = front;
    this.#back = back;
    this.#serverPort = serverPort;
    front.on("message", (bytes, from) => {
      this.#client = from;
      this.#pass(this.fate(bytes, "server"), () => back.send(bytes, this.#serverPort, "127.0.0.1"));
    });
    back.on("message", (bytes) => {
      const client = this.#client;
      if (client === undefined) return;
      this.#pass(this.fate(bytes, "client"), () => front.send(bytes, client.port, client.address));
    });
  }

  static async start(serverPort: number): Promise<UdpRelay> {
    const [front, back] = [createSocket("udp4"), createSocket("udp4")];
    await Promise.all([front, back].map((socket) => once(socket.bind(0, "127.0.0.1"), "listening")));
    return new UdpRelay(front, back, serverPort);
  }

  get port(): number {
    return (this.#front.address() as AddressInfo).port;
  }

  /** The answer, with the relay in the place of the server. */
  through(sdp: string): string {
    return sdp.replaceAll(`127.0.0.1 ${this.#serverPort} typ host`, `127.0.0.1 ${this.port} typ host`);
  }

  close(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.#front.close();
    this.#back.close();
  }

  #pass(fate: Fate, send: () => void): void {
    if (fate === "lost") return;
    if (fate === 0) {
      send();
      return;
    }
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      send();
    }, fate);
    this.#late.add(timer);
  }
}

/** By RFC 7983: not STUN and not DTLS. */
export function isMedia(bytes: Uint8Array): boolean {
  return bytes[0]! >= 128 && bytes[0]! <= 191;
}
