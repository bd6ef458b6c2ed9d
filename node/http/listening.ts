import type { Socket } from "node:net";
import { HttpError } from "./errors.ts";

/** How long a client may take to send a request, on every listener. */
export const REQUEST_MS = 30_000;
/** How long a connection is kept on which nothing is asked. */
export const IDLE_MS = 72_000;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** The setting that names the port. */
  readonly setting: string;
}

/** @throws HTTP_PORT_BUSY, HTTP_ADDRESS_UNUSABLE */
export async function explainListening(
  { host, port, setting }: ListenAddress,
  listening: Promise<unknown>,
): Promise<void> {
  try {
    await listening;
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "";
    if (reason === "EADDRINUSE") {
      const message = `another program listens on ${host} port ${port}; stop it or set --${setting}`;
      throw new HttpError({ code: "HTTP_PORT_BUSY", host, port }, { cause, message });
    }
    if (["EACCES", "EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"].includes(reason)) {
      const message = `cannot listen on ${host} port ${port} (${reason}); set --http.host and --${setting}`;
      throw new HttpError({ code: "HTTP_ADDRESS_UNUSABLE", host, port, reason }, { cause, message });
    }
    throw cause;
  }
}

/** Answers what is no request of HTTP/1 in the shape of every other refusal. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return;
  const isTooLong = error.code === "HPE_HEADER_OVERFLOW";
  const [status, code] = isTooLong ? ["431 Too Large", "HTTP_HEADERS_TOO_LARGE"] : ["400 Bad Request", "HTTP_INVALID"];
  const body = JSON.stringify({ error: { code, message: "the request cannot be read" } });
  const head = [`HTTP/1.1 ${status}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
  socket.end(`${[...head, "Connection: close"].join("\r\n")}\r\n\r\n${body}`);
}
