import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { unlessAborted } from "../abort.ts";
import { type AddressRules, lookupPinned, pinAddress } from "./pinned-address.ts";

export interface ConnectPinned extends AddressRules {
  /** As `URL` gives it. */
  readonly hostname: string;
  readonly port: number;
  /** By TLS: the certificate must be trusted here, and be that host's. */
  readonly isSecure: boolean;
  /** Ends the attempt; a connection that was made is left alone. */
  readonly signal: AbortSignal;
}

/**
 * Connects to a host that somebody else chose: its name is looked up once, every address that it has must be allowed,
 * and the connection goes to one that was looked at. Whoever gets it destroys it. Throws whatever went wrong;
 * `outboundFault` names it.
 */
export async function connectPinned({ hostname, port, isSecure, signal, ...rules }: ConnectPinned): Promise<Socket> {
  const found = await unlessAborted(pinAddress(hostname, rules), signal);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const address = { host, port, noDelay: true, lookup: lookupPinned(found) };
  const socket = isSecure
    ? // An address is no name that a server could be asked for.
      connectTls(isIP(host) === 0 ? { ...address, servername: host } : address)
    : connect(address);
  // Whoever reads hears of errors; one that comes while nobody reads must not bring the process down.
  socket.on("error", () => {});
  try {
    await once(socket, isSecure ? "secureConnect" : "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
