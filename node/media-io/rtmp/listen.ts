import type { Server } from "node:net";
import { RtmpError } from "./errors.ts";

/** Resolves with the port once the server accepts connections there. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const cause = { cause: error };
      if (error.code === "EADDRINUSE") reject(new RtmpError({ code: "RTMP_PORT_BUSY", host, port }, cause));
      else reject(new RtmpError({ code: "RTMP_ADDRESS_UNUSABLE", host, port, reason: error.code ?? "" }, cause));
    };
    server.once("error", fail);
    server.listen(port, host, () => {
      server.off("error", fail);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Resolves when nobody is accepted any more and every connection is gone; also for a server that never listened. */
export function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
