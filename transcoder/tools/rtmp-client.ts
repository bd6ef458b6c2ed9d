import { once } from "node:events";
import type { LookupFunction, Socket } from "node:net";
import { connect, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { RtmpClient, type RtmpFaults, type RtmpPlace, readPlace } from "../rtmp/client.ts";
import { PublishError } from "./publish-error.ts";

const MEDIA_CHANNEL = 6;
const DEFAULT_PORTS = { rtmp: 1935, rtmps: 443 } as const;
const ANSWER_TIMEOUT_MS = 10_000;
/** How long a server may take to read what waits here, and as long again for what lies between us, before it closes. */
const HANG_UP_MS = 5_000;

interface Target extends RtmpPlace {
  readonly scheme: keyof typeof DEFAULT_PORTS;
  readonly host: string;
  readonly port: number;
  readonly tcUrl: string;
}

export interface OpenOptions {
  /** How the server's name is looked up, where the address that it had is to be held to. */
  readonly lookup?: LookupFunction;
  /** Ends the attempt; what was opened is left alone. */
  readonly signal?: AbortSignal;
}

const faults: RtmpFaults = {
  refused: (status, description) => new PublishError({ code: "PUBLISH_REFUSED", status, description }),
  lost: (reason, cause) => new PublishError({ code: "PUBLISH_LOST", reason }, { cause }),
};

/** Publishes one stream to an RTMP server. Every failure is a PublishError, the server's refusal above all. */
export class RtmpPublisher {
  readonly #socket: Socket;
  readonly #target: Target;
  readonly #client: RtmpClient;
  #stream = 0;

  private constructor(socket: Socket, target: Target) {
    this.#socket = socket;
    this.#target = target;
    this.#client = new RtmpClient({ socket, faults });
  }

  /** Resolves when the server accepted the publish. */
  static async open(url: string, { lookup, signal }: OpenOptions = {}): Promise<RtmpPublisher> {
    const target = parseTarget(url);
    const socket = dial(target, lookup);
    const leave = () => socket.destroy(new Error("given up"));
    signal?.addEventListener("abort", leave, { once: true });
    try {
      if (signal?.aborted) leave();
      return await RtmpPublisher.#begin(socket, target);
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  static async #begin(socket: Socket, target: Target): Promise<RtmpPublisher> {
    try {
      await once(socket, target.scheme === "rtmps" ? "secureConnect" : "connect");
    } catch (error) {
      const host = `${target.host}:${target.port}`;
      throw new PublishError({ code: "PUBLISH_UNREACHABLE", host, reason: (error as Error).message }, { cause: error });
    }
    const publisher = new RtmpPublisher(socket, target);
    const timer = setTimeout(() => {
      publisher.#client.fail(faults.lost("no answer from the server"));
    }, ANSWER_TIMEOUT_MS);
    try {
      await publisher.#start();
      return publisher;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get failed(): PublishError | undefined {
    return this.#client.failed as PublishError | undefined;
  }

  /** Sends one FLV tag body. Resolves when the socket has room again. */
  async send(type: number, timeMs: number, body: Uint8Array): Promise<void> {
    if (this.failed) throw this.failed;
    if (this.#client.send(MEDIA_CHANNEL, type, this.#stream, timeMs, body)) return;
    await new Promise<void>((resolve) => {
      const proceed = () => {
        this.#socket.off("drain", proceed);
        this.#socket.off("close", proceed);
        resolve();
      };
      this.#socket.on("drain", proceed);
      this.#socket.on("close", proceed);
    });
    if (this.failed) throw this.failed;
  }

  /** Says goodbye as publishers do, so that the server knows the stream has ended. */
  async unpublish(): Promise<void> {
    if (this.failed) return;
    this.#client.tell("FCUnpublish", [this.#target.name]);
    this.#client.tell("deleteStream", [this.#stream]);
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#client.leave("unpublished");
    this.#socket.end();
    // Where we close first, what the server still writes makes our system take back all that it has not read yet.
    const timer = setTimeout(() => this.#socket.destroy(), HANG_UP_MS);
    this.#socket.once("finish", () => timer.refresh());
    await closed;
    clearTimeout(timer);
  }

  /** Drops the connection without a word, as a publisher does whose network is gone. */
  abort(): void {
    // Under TLS there is no such way, and no word is said either.
    if (this.#target.scheme === "rtmps") this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  async #start(): Promise<void> {
    const { app, tcUrl, name } = this.#target;
    const client = this.#client;
    const facts = { app, type: "nonprivate", flashVer: "FMLE/3.0 (compatible; leat)", tcUrl };
    await client.start(new Map(Object.entries(facts)));
    client.tell("releaseStream", [name]);
    client.tell("FCPublish", [name]);
    this.#stream = await client.createStream();
    const published = client.untilStatus("NetStream.Publish.Start");
    client.tell("publish", [name, "live"], this.#stream);
    await published;
  }
}

/** A server's certificate must be trusted here: by the system, or by NODE_EXTRA_CA_CERTS. */
function dial({ scheme, host, port }: Target, lookup: LookupFunction | undefined): Socket {
  const address = { host, port, noDelay: true, ...(lookup === undefined ? {} : { lookup }) };
  if (scheme === "rtmp") return connect(address);
  // An address is no name that a server could be asked for.
  return connectTls(isIP(host) === 0 ? { ...address, servername: host } : address);
}

function parseTarget(url: string): Target {
  const match = /^(rtmps?):\/\/([^/:?#]+|\[[^\]]+\])(?::(\d+))?(\/.+)$/.exec(url);
  const place = match && readPlace(match[4]!);
  // The last part of the address is the stream key: it is not repeated.
  if (!place) throw new PublishError({ code: "PUBLISH_URL_INVALID", url: url.replace(/\/[^/]*$/, "/…") });
  const [, , name, given] = match;
  const scheme = match[1] as Target["scheme"];
  const host = name!.replace(/^\[|\]$/g, "");
  const port = Number(given ?? DEFAULT_PORTS[scheme]);
  return { ...place, scheme, host, port, tcUrl: `${scheme}://${name}:${port}/${place.app}` };
}
