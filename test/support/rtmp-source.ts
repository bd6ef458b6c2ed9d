import type { Socket } from "node:net";
import { type AmfValue, decodeAmf, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { ChunkReader, messageTypes, readUint32 } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { HANDSHAKE_BYTES } from "@leat/transcoder/rtmp/client.ts";
import type { TestCertificate } from "./certificate.ts";
import { ConnectionSource } from "./connection-source.ts";

const FIRST_SIZE = Uint8Array.of(0, 0, 0x10, 0);

/** A server by RTMP that does what a test has it do when a player asks. */
export class RtmpSource extends ConnectionSource {
  /** Commands that came, with what stood behind their number. */
  readonly asked: (readonly [name: string, ...rest: AmfValue[]])[] = [];
  /** Instead of the usual answer to a command, where it gives true. */
  onCommand: (name: string, player: RtmpPlayer) => boolean = () => false;
  /** A player wants to see something. */
  onPlay: (player: RtmpPlayer) => void = () => {};

  static async open(certificate?: TestCertificate, address = "127.0.0.1"): Promise<RtmpSource> {
    const source = new RtmpSource("rtmp", certificate);
    await source.listen(address);
    return source;
  }

  override url(path = "/live/camera", host?: string): string {
    return super.url(path, host);
  }

  protected override talk(socket: Socket): void {
    const reader = new ChunkReader();
    const player = new RtmpPlayer(socket);
    let held: Uint8Array = new Uint8Array(0);
    let isShaken = false;
    socket.on("data", (bytes: Uint8Array) => {
      held = Buffer.concat([held, bytes]);
      if (!isShaken) {
        const whole = 1 + 2 * HANDSHAKE_BYTES;
        if (player.sent === 0 && held.length > HANDSHAKE_BYTES) {
          const theirs = held.subarray(1, 1 + HANDSHAKE_BYTES);
          player.write(Buffer.concat([Uint8Array.of(3), new Uint8Array(HANDSHAKE_BYTES), theirs]));
        }
        if (held.length < whole) return;
        isShaken = true;
        held = held.subarray(whole);
      }
      const fresh = held;
      held = new Uint8Array(0);
      for (const message of reader.read(fresh)) {
        if (message.type === messageTypes.setChunkSize) reader.setChunkSize(readUint32(message));
        if (message.type === messageTypes.command) this.#command(player, decodeAmf(message.payload));
      }
    });
  }

  #command(player: RtmpPlayer, [name, id, ...rest]: AmfValue[]): void {
    const command = String(name);
    this.asked.push([command, ...rest]);
    player.call = Number(id);
    if (command === "connect") player.send(messageTypes.setChunkSize, FIRST_SIZE);
    if (this.onCommand(command, player)) return;
    if (command === "connect") {
      player.answer("_result", player.call, new Map(), statusOf("status", "NetConnection.Connect.Success"));
    } else if (command === "createStream") player.answer("_result", player.call, null, 1);
    else if (command === "play") {
      player.status("status", "NetStream.Play.Start");
      this.onPlay(player);
    }
  }
}

/** Whoever is connected to it. */
export class RtmpPlayer {
  readonly socket: Socket;
  /** The number of the command that is answered. */
  call = 0;
  sent = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  write(bytes: Uint8Array): void {
    this.sent += bytes.length;
    this.socket.write(bytes);
  }

  send(type: number, payload: Uint8Array, timeMs = 0): void {
    this.write(writeMessage(4, type, 1, payload, { timeMs }));
  }

  answer(...values: AmfValue[]): void {
    this.write(writeMessage(3, messageTypes.command, 0, encodeAmf(values)));
  }

  status(level: string, code: string): void {
    this.answer("onStatus", 0, null, statusOf(level, code));
  }
}

export function statusOf(level: string, code: string, more: readonly (readonly [string, AmfValue])[] = []) {
  return new Map<string, AmfValue>([["level", level], ["code", code], ["description", "the words of it"], ...more]);
}
