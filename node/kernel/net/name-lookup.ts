import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

export type ResolveName = (host: string) => Promise<readonly FoundAddress[]>;

export interface NameLookupOptions {
  /** As `host:port`; absent: those that the system names. */
  readonly servers?: readonly string[];
  readonly hostsFile?: string;
  /** How long a server has to answer; it is asked twice. */
  readonly timeoutMs?: number;
}

/** Who has answered for one kind of address has so long to answer for the other. */
const OTHER_FAMILY_MS = 1_000;

/**
 * Looks up names that others chose: in the hosts file, then at the system's name servers. The system's own look-up takes a
 * thread for as long as it lasts, of which a process has two for all of them: a few names whose servers never answer would
 * hold up everybody's. Search domains are not tried.
 */
export function createNameLookup(options: NameLookupOptions = {}): ResolveName {
  const { servers, hostsFile = "/etc/hosts", timeoutMs: timeout = 2_000 } = options;
  return async (host) => {
    const written = findInHosts(await readFile(hostsFile, "utf8").catch(() => ""), host);
    if (written.length > 0) return written.map(toFound);
    // One for each: it knows the servers of now.
    const resolver = new Resolver({ timeout, tries: 2 });
    if (servers !== undefined) resolver.setServers(servers);
    const found: [four: string[], six: string[]] = [[], []];
    const asked = [resolver.resolve4(host), resolver.resolve6(host)].map(async (answer, at) => {
      found[at] = await answer;
    });
    const both = Promise.allSettled(asked);
    try {
      await Promise.any(asked);
    } catch (error) {
      throw (error as AggregateError).errors[0];
    }
    await Promise.race([both, sleep(OTHER_FAMILY_MS, undefined, { ref: false })]);
    resolver.cancel();
    return found.flat().map(toFound);
  };
}

/** Addresses of a host in the text of a hosts file. */
function findInHosts(text: string, host: string): string[] {
  const wanted = host.toLowerCase();
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((name) => name.toLowerCase() === wanted) ? [address] : [];
  });
}

function toFound(address: string): FoundAddress {
  return { address, family: isIP(address) };
}
