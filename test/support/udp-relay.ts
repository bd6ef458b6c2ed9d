import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** Stands between a client and a UDP port, and loses what it is told to lose. */
export class UdpRelay {
  /** Whether a datagram towards the client, or from it, is lost. */
  lose: (bytes: Uint8Array, towards: "client" | "server") => boolean = () => false;
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
      if (!this.lose(bytes, "server")) back.send(bytes, this.#serverPort, "127.0.0.1");
    });
    back.on("message", (bytes) => {
      const client = this.#client;
      if (client !== undefined && !this.lose(bytes, "client")) front.send(bytes, client.port, client.address);
    });
  }

  static async start(serverPort: number): Promise<UdpRelay> {
    const [front, back] = [createSocket("udp4"), createSocket("udp4")];
    await Promise.all([front, back].map((socket) => once(socket.bind(0, "127.0.0.1"), "listening")));
    return new UdpRelay(front, back, serverPort);
  }

  /** The answer, with the relay in the place of the server. */
  through(sdp: string): string {
    const { port } = this.#front.address() as AddressInfo;
    return sdp.replaceAll(`127.0.0.1 ${this.#serverPort} typ host`, `127.0.0.1 ${port} typ host`);
  }

  close(): void {
    this.#front.close();
    this.#back.close();
  }
}

/** By RFC 7983: not STUN and not DTLS. */
export function isMedia(bytes: Uint8Array): boolean {
  return bytes[0]! >= 128 && bytes[0]! <= 191;
}
