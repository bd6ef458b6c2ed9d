import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestCertificate } from "./certificate.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What a buyer's source is: an HTTP server that a test has answer as it likes, and that remembers what it was asked. */
export class SourceServer {
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  answer: Answer = (_request, response) => response.writeHead(404).end();
  readonly #server: Server;
  readonly #scheme: string;
  readonly #address: string;

  private constructor(scheme: string, address: string, certificate: TestCertificate | undefined) {
    const take: Answer = (request, response) => {
      this.asked.push(request.url ?? "");
      this.authorizations.push(request.headers.authorization);
      // Whoever leaves in the middle is no failure of the server's.
      response.on("error", () => {});
      this.answer(request, response);
    };
    this.#scheme = scheme;
    this.#address = address;
    this.#server = certificate === undefined ? createServer(take) : createSecureServer(certificate, take);
  }

  static async open(address = "127.0.0.1", certificate?: TestCertificate): Promise<SourceServer> {
    const server = new SourceServer(certificate === undefined ? "http" : "https", address, certificate);
    server.#server.listen(0, address);
    await once(server.#server, "listening");
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path = "/live.ts", host = this.#address): string {
    return `${this.#scheme}://${host}:${this.port}${path}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
