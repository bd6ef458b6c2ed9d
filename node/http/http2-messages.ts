import type { Http2Session, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { constants, Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { ReadableOptions } from "node:stream";
import type { TLSSocket } from "node:tls";

/** What routes read of a socket. */
type Peer = Pick<TLSSocket, "remoteAddress" | "remotePort" | "encrypted">;

const peers = new WeakMap<Http2Session, Peer>();

/** Its `socket` is one for all of a connection and keeps its address: Node's own forgets it with the stream. */
export class Http2Request extends Http2ServerRequest {
  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    options: ReadableOptions,
    rawHeaders: readonly string[],
  ) {
    super(stream, headers, options, rawHeaders);
    Object.defineProperty(this, "socket", { value: peerOf(stream.session) });
  }
}

/** Tells of its end as an answer of HTTP/1 does, so that routes need not know which of them they write. */
export class Http2Response extends Http2ServerResponse {
  constructor(stream: ServerHttp2Stream) {
    super(stream);
    this.once("close", () => Object.defineProperty(this, "closed", { value: true }));
  }

  /** Node tells so also where it was cut off: bytes that never left would be counted and paid. */
  override emit(event: string | symbol, ...facts: unknown[]): boolean {
    if (event === "finish" && !this.writableFinished) return false;
    return super.emit(event as string, ...facts);
  }

  /** Routes may end a connection of HTTP/1 with their answer; here Node would warn of the header. */
  override setHeader(name: string, value: number | string | readonly string[]): void {
    if (!isOfConnection(name)) super.setHeader(name, value);
  }

  /** Takes headers in every form that HTTP/1 takes. A phrase beside the status has no place here. */
  override writeHead(statusCode: number, ...rest: unknown[]): this {
    const headers = pairsOf(rest.at(-1)).filter(([name]) => !isOfConnection(name));
    return super.writeHead(statusCode, headers as unknown as OutgoingHttpHeaders);
  }

  /** A client takes what ends without a reason for the whole. */
  override destroy(error?: Error): this {
    if (error === undefined) this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    super.destroy(error);
    return this;
  }
}

/** Node ends the stream of a client that gave up, and calls it finished. */
Object.defineProperty(Http2Response.prototype, "writableFinished", {
  get(this: Http2Response) {
    return this.stream.writableFinished && !this.stream.aborted;
  },
});

/** Of nobody where the stream or its session is gone: what throws here, outside of every route, ends the node. */
function peerOf(session: Http2Session | undefined): Peer {
  if (session === undefined || session.destroyed)
    return { remoteAddress: undefined, remotePort: undefined, encrypted: true };
  const known = peers.get(session);
  if (known !== undefined) return known;
  const { remoteAddress, remotePort } = session.socket;
  const peer: Peer = { remoteAddress, remotePort, encrypted: true };
  peers.set(session, peer);
  return peer;
}

function isOfConnection(name: string): boolean {
  return name.toLowerCase() === "connection";
}

/** Of an object, of pairs, or of names and values in turn. */
function pairsOf(headers: unknown): [name: string, value: unknown][] {
  if (typeof headers !== "object" || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (Array.isArray(headers[0])) return headers;
  return headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
}
