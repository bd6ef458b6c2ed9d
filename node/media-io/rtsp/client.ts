import type { Socket } from "node:net";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { PullError } from "../pull/errors.ts";
import { Authorization, type Credentials } from "./authorization.ts";
import { type RtspItem, RtspReader } from "./message-reader.ts";

export type RtspResponse = Extract<RtspItem, { type: "response" }>;
export type RtspPacket = Extract<RtspItem, { type: "packet" }>;

export interface RtspClientParts {
  /** Connected. */
  readonly socket: Socket;
  readonly credentials: Credentials | undefined;
  readonly onPacket: (packet: RtspPacket) => void;
  /** The connection is over, for this reason. Heard once. */
  readonly onFailed: (error: Error) => void;
}

interface Waiting {
  resolve(response: RtspResponse): void;
  reject(error: Error): void;
}

/** What a server may ask of us; whatever else it asks cannot be had. */
const answered = new Set(["OPTIONS", "GET_PARAMETER", "SET_PARAMETER"]);
/** With these a server says that nothing follows. */
const farewells = new Set(["REDIRECT", "TEARDOWN"]);

/** What we say and a server does not read: it is told little, unless it asks without end. */
const MAX_UNREAD_BYTES = 65_536;

/** The client's side of a connection by RTSP (RFC 2326): one connection, to which all is said. */
export class RtspClient {
  readonly #parts: RtspClientParts;
  readonly #reader = new RtspReader();
  readonly #waiting = new Map<number, Waiting>();
  #authorization: Authorization | undefined;
  #session: string | undefined;
  #nextNumber = 1;
  #failed: Error | undefined;
  #playing: string | undefined;
  /** What was said last without waiting for the answer. */
  #told: number | undefined;

  constructor(parts: RtspClientParts) {
    const { socket } = parts;
    this.#parts = parts;
    socket.on("data", (bytes: Uint8Array) => this.#onData(bytes));
    socket.on("error", (error) => this.fail(this.#lost((error as NodeJS.ErrnoException).code, error)));
    socket.on("close", () => this.fail(this.#lost("CLOSED")));
  }

  /** It plays what is there: losing it is another thing from here on. */
  open(uri: string): void {
    this.#playing = uri;
  }

  /** Lets a server forget us that plays. */
  close(): void {
    if (this.#playing !== undefined && this.#failed === undefined) this.tell("TEARDOWN", this.#playing);
  }

  set session(session: string) {
    this.#session = session;
  }

  /** Asks, and once more with a name and a password where the server wants them. @throws PULL_STATUS_REFUSED */
  async ask(method: string, uri: string, headers: Readonly<Record<string, string>> = {}): Promise<RtspResponse> {
    let response = await this.#exchange(method, uri, headers);
    if (this.#isChallenged(response)) response = await this.#exchange(method, uri, headers);
    const { status } = response;
    if (status !== 200) throw new PullError({ code: "PULL_STATUS_REFUSED", status });
    return response;
  }

  /** Asks without waiting for what is answered. */
  tell(method: string, uri: string): void {
    this.#told = this.#nextNumber++;
    this.#send(this.#told, method, uri, {});
  }

  /** The first reason stays. */
  fail(error: Error): void {
    if (this.#failed === undefined) {
      this.#failed = error;
      for (const waiting of this.#waiting.values()) waiting.reject(error);
      this.#waiting.clear();
      this.#parts.onFailed(error);
    }
    this.#parts.socket.destroy();
  }

  /** Whether it wants to know who we are, in a way that we can say. */
  #isChallenged({ status, headers }: RtspResponse): boolean {
    const { credentials } = this.#parts;
    if (status !== 401 || credentials === undefined) return false;
    this.#authorization = Authorization.choose(headers.get("www-authenticate") ?? [], credentials);
    return this.#authorization !== undefined;
  }

  #exchange(method: string, uri: string, headers: Readonly<Record<string, string>>): Promise<RtspResponse> {
    const number = this.#nextNumber++;
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) reject(this.#failed);
      this.#waiting.set(number, { resolve, reject });
      this.#send(number, method, uri, headers);
    });
  }

  #send(number: number, method: string, uri: string, headers: Readonly<Record<string, string>>): void {
    const said = {
      CSeq: `${number}`,
      "User-Agent": "leat",
      ...(this.#session === undefined ? {} : { Session: this.#session }),
      ...(this.#authorization === undefined ? {} : { Authorization: this.#authorization.header(method, uri) }),
      ...headers,
    };
    const lines = Object.entries(said).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#write(`${method} ${uri} RTSP/1.0\r\n${lines.join("")}\r\n`);
  }

  #write(text: string): void {
    const { socket } = this.#parts;
    if (socket.writableLength > MAX_UNREAD_BYTES) this.fail(this.#lost("CLOSED"));
    if (socket.writable) socket.write(text);
  }

  #onData(bytes: Uint8Array): void {
    try {
      for (const item of this.#reader.read(bytes)) {
        if (this.#failed !== undefined) return;
        this.#take(item);
      }
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.fail(error);
    }
  }

  #take(item: RtspItem): void {
    if (item.type === "packet") this.#parts.onPacket(item);
    else if (item.type === "request") this.#answer(item);
    else {
      const number = Number(item.headers.get("cseq")?.[0]);
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (waiting !== undefined) waiting.resolve(item);
      else if (number === this.#told) {
        this.#told = undefined;
        // It was not believed: the next time it is said anew.
        this.#isChallenged(item);
      }
    }
  }

  #answer({ method, headers }: Extract<RtspItem, { type: "request" }>): void {
    // Where it would send us on to is not gone to.
    if (farewells.has(method)) this.fail(this.#lost("CLOSED"));
    const status = answered.has(method) ? "200 OK" : "501 Not Implemented";
    const number = /^\d{1,10}$/.exec(headers.get("cseq")?.[0] ?? "")?.[0] ?? "0";
    this.#write(`RTSP/1.0 ${status}\r\nCSeq: ${number}\r\n\r\n`);
  }

  #lost(reason = "UNKNOWN", cause?: unknown): PullError {
    if (this.#playing !== undefined) return new PullError({ code: "PULL_SOURCE_LOST" }, { cause });
    return new PullError({ code: "PULL_UNREACHABLE", reason }, { cause });
  }
}
