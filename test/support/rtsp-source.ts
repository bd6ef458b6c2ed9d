import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { TestCertificate } from "./certificate.ts";
import { ConnectionSource } from "./connection-source.ts";

export interface RtspRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Packets of RTP and RTCP as a program sent them, with the channel of each. */
export interface Recording {
  readonly description: string;
  readonly packets: readonly { readonly channel: number; readonly data: Uint8Array }[];
}

export const SESSION = "a-session-5";

/** A server by RTSP that plays what it was given, or does what a test has it do. */
export class RtspSource extends ConnectionSource {
  readonly asked: RtspRequest[] = [];
  recording: Recording = { description: "", packets: [] };
  /** Instead of the usual answer to a request, where it gives true. */
  onRequest: (request: RtspRequest, peer: RtspPeer) => boolean = () => false;
  /** Somebody plays. */
  onPlay: (peer: RtspPeer) => void = (peer) => peer.sendAll(this.recording);

  static async open(address = "127.0.0.1", certificate?: TestCertificate): Promise<RtspSource> {
    const source = new RtspSource("rtsp", certificate);
    await source.listen(address);
    return source;
  }

  override url(path = "/camera/one", host?: string): string {
    return super.url(path, host);
  }

  methods(): string[] {
    return this.asked.map(({ method }) => method);
  }

  protected override talk(socket: Socket): void {
    const peer = new RtspPeer(socket);
    readRtsp(
      socket,
      (request) => {
        this.asked.push(request);
        peer.request = request;
        if (!this.onRequest(request, peer)) this.#answer(request, peer);
      },
      (channel, data) => peer.received.push({ channel, data }),
    );
  }

  #answer({ method, headers, body }: RtspRequest, peer: RtspPeer): void {
    const session = { Session: `${SESSION};timeout=60` };
    if (method === "OPTIONS") peer.answer(200, { Public: "DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER" });
    else if (method === "DESCRIBE") {
      peer.answer(200, { "Content-Type": "application/sdp" }, this.recording.description);
    } else if (method === "SETUP") peer.answer(200, { ...session, Transport: headers.get("transport")! });
    else if (method === "PLAY") {
      peer.answer(200, session);
      this.onPlay(peer);
    } else {
      peer.answer(200, session);
      if (method === "ANNOUNCE") this.recording = { description: body, packets: peer.received };
    }
  }
}

/** Whoever is connected to it. */
export class RtspPeer {
  readonly socket: Socket;
  readonly received: { channel: number; data: Uint8Array }[] = [];
  /** What is answered. */
  request: RtspRequest | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  answer(status: number, headers: Readonly<Record<string, string>> = {}, body = ""): void {
    const said = { CSeq: this.request?.headers.get("cseq") ?? "0", ...headers };
    const lines = Object.entries(said).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = body === "" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    this.socket.write(`RTSP/1.0 ${status} Words\r\n${lines.join("")}${length}\r\n${body}`);
  }

  send(channel: number, data: Uint8Array): void {
    this.socket.write(Buffer.concat([Uint8Array.of(0x24, channel, data.length >> 8, data.length & 0xff), data]));
  }

  sendAll({ packets }: Recording): void {
    for (const { channel, data } of packets) this.send(channel, data);
  }
}

/** What the ffmpeg program publishes by RTSP: packets of its own packetizers. */
export async function recordRtsp(flags: readonly string[]): Promise<Recording> {
  const server = await RtspSource.open();
  try {
    const target = ["-f", "rtsp", "-rtsp_transport", "tcp", server.url("/record")];
    const program = spawn("ffmpeg", ["-v", "error", "-nostdin", ...flags, ...target], { stdio: "ignore" });
    const [code] = await once(program, "exit");
    if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
    return server.recording;
  } finally {
    server.close();
  }
}

function readRtsp(
  socket: Socket,
  onRequest: (request: RtspRequest) => void,
  onPacket: (channel: number, data: Uint8Array) => void,
): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    for (;;) {
      if (held[0] === 0x24) {
        const end = held.length < 4 ? Infinity : 4 + held.readUInt16BE(2);
        if (held.length < end) return;
        onPacket(held[1]!, Uint8Array.from(held.subarray(4, end)));
        held = held.subarray(end);
        continue;
      }
      const end = held.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [first, ...lines] = held.toString("utf8", 0, end).split("\r\n");
      const headers = new Map(lines.map((line) => [line.split(":")[0]!.toLowerCase(), line.replace(/^[^:]*:\s*/, "")]));
      const from = end + 4;
      const length = Number(headers.get("content-length") ?? 0);
      if (held.length < from + length) return;
      const [method = "", uri = ""] = first!.split(" ");
      const body = held.toString("utf8", from, from + length);
      held = held.subarray(from + length);
      onRequest({ method, uri, headers, body });
    }
  });
}
