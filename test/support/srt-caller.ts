import { type ChildProcess, spawn } from "node:child_process";
import koffi from "koffi";

/** libsrt as a caller, and the ffmpeg program: neither shares code with the listener. */

const library = koffi.load("libsrt-gnutls.so.1.5");
const startup = library.func("int srt_startup()");
const cleanup = library.func("int srt_cleanup()");
const setLogLevel = library.func("void srt_setloglevel(int level)");
const create = library.func("int srt_create_socket()");
const setOption = library.func("int srt_setsockflag(int u, int option, const void* value, int size)");
const connect = library.func("int srt_connect(int u, const void* address, int size)");
const reason = library.func("int srt_getrejectreason(int u)");
const send = library.func("int srt_sendmsg2(int u, const void* buffer, int size, void* control)");
const close = library.func("int srt_close(int u)");

const STREAM_ID = 46;
const PASSPHRASE = 26;

export interface SrtCall {
  /** Undefined where it was let in. */
  readonly refused: number | undefined;
  send(bytes: Uint8Array): void;
  close(): void;
}

export function startCaller(): void {
  startup();
  setLogLevel(0);
}

export function stopCaller(): void {
  cleanup();
}

export async function callSrt(port: number, streamId: string, passphrase?: string): Promise<SrtCall> {
  const socket = create() as number;
  setOption(socket, STREAM_ID, Buffer.from(streamId), Buffer.byteLength(streamId));
  if (passphrase !== undefined) setOption(socket, PASSPHRASE, Buffer.from(passphrase), passphrase.length);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(2, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  const result = await new Promise<number>((resolve, reject) => {
    connect.async(socket, address, 16, (error: unknown, value: number) => (error ? reject(error) : resolve(value)));
  });
  return {
    refused: result === 0 ? undefined : (reason(socket) as number),
    send: (bytes) => send(socket, Buffer.from(bytes), bytes.length, null),
    close: () => close(socket),
  };
}

const pattern = ["-re", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-f", "lavfi", "-i", "sine=frequency=500"];
const coded = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p"];

/** Publishes a pattern until it is killed, or for so many seconds. */
export function publishPattern(url: string, seconds?: number): ChildProcess {
  const length = seconds === undefined ? [] : ["-t", `${seconds}`];
  const flags = ["-v", "error", "-nostdin", ...pattern, ...length, ...coded, "-c:a", "aac", "-f", "mpegts", url];
  return spawn("ffmpeg", flags, { stdio: "ignore" });
}
