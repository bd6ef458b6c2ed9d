import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import type { TestCertificate } from "./certificate.ts";

/** A server that a source is fetched from: counts who connects, and lets go of all of them at the end. */
export abstract class ConnectionSource {
  connections = 0;
  /** Instead of an answer to anything. */
  onConnection: ((socket: Socket) => void) | undefined;
  readonly #server: Server;
  readonly #scheme: string;
  readonly #sockets = new Set<Socket>();

  /** @param scheme Of its address where it has no certificate. */
  protected constructor(scheme: string, certificate: TestCertificate | undefined) {
    const take = (socket: Socket) => this.#take(socket);
    this.#scheme = certificate === undefined ? scheme : `${scheme}s`;
    this.#server = certificate === undefined ? createServer(take) : createSecureServer(certificate, take);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path: string, host = "127.0.0.1"): string {
    return `${this.#scheme}://${host}:${this.port}${path}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  protected async listen(address: string): Promise<void> {
    this.#server.listen(0, address);
    await once(this.#server, "listening");
  }

  protected abstract talk(socket: Socket): void;

  #take(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    if (this.onConnection === undefined) this.talk(socket);
    else this.onConnection(socket);
  }
}
