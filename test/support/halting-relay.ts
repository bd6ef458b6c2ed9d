import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Stands between one client and a TCP port: reads nothing of the client while it is halted, so that its window fills. */
export class HaltingRelay {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #client: Socket | undefined;
  #upstream: Socket | undefined;

  private constructor(serverPort: number) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ port: serverPort, host: "127.0.0.1", allowHalfOpen: true });
      this.#client = client;
      this.#upstream = upstream;
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.push(socket);
        socket.on("error", () => other.resetAndDestroy());
        socket.pipe(other);
      }
    });
  }

  static async start(serverPort: number): Promise<HaltingRelay> {
    const relay = new HaltingRelay(serverPort);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  halt(): void {
    this.#client!.unpipe(this.#upstream);
    this.#client!.pause();
  }

  goOn(): void {
    this.#client!.pipe(this.#upstream!);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
