import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { type AmfValue, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { writeMessage } from "@leat/transcoder/rtmp/chunk-writer.ts";
import { HANDSHAKE_BYTES } from "@leat/transcoder/rtmp/client.ts";
import { RtmpWireError } from "@leat/transcoder/rtmp/errors.ts";

/** The one message stream that a connection gets. */
export const PUBLISH_STREAM = 1;
const COMMAND_CHUNK_STREAM = 3;
const CONTROL_CHUNK_STREAM = 2;
/** Answers that a peer does not read: a few hundred bytes each. */
const MAX_UNREAD_BYTES = 262_144;
/** How long a refused publisher may take to hang up. */
const HANG_UP_MS = 2_000;

/** What we say to one publisher. */
export class RtmpAnswers {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `received`: the publisher's own bytes. Sent back they please the simple handshake, and those that sign theirs. */
  handshake(received: Uint8Array): void {
    const own = randomBytes(HANDSHAKE_BYTES);
    own.fill(0, 0, 8);
    this.#send(Buffer.concat([Uint8Array.of(3), own, received]));
  }

  status(level: "status" | "error", code: string, description: string): void {
    this.command(PUBLISH_STREAM, "onStatus", 0, null, statusObject(level, code, description));
  }

  command(streamId: number, ...values: AmfValue[]): void {
    this.#send(writeMessage(COMMAND_CHUNK_STREAM, messageTypes.command, streamId, encodeAmf(values)));
  }

  control(type: number, payload: Uint8Array): void {
    this.#send(writeMessage(CONTROL_CHUNK_STREAM, type, 0, payload));
  }

  /** Closes so that the last answer arrives: what the publisher still sends is read, or its end would reset ours. */
  hangUp(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      if (socket.destroyed) {
        resolve();
        return;
      }
      const timer = setTimeout(() => socket.destroy(), HANG_UP_MS);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      socket.end();
    });
  }

  #send(bytes: Uint8Array): void {
    if (!this.#socket.writable) return;
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) {
      this.#socket.destroy(new RtmpWireError({ code: "RTMP_BUFFER_EXCEEDED", limit: MAX_UNREAD_BYTES }));
      return;
    }
    this.#socket.write(bytes);
  }
}

export function statusObject(level: string, code: string, description: string): Map<string, AmfValue> {
  return new Map<string, AmfValue>([
    ["level", level],
    ["code", code],
    ["description", description],
  ]);
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
