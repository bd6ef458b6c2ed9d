import type { Address } from "@leat/sdk/protocol/hex.ts";
import { PublicError } from "../errors.ts";
import type { Host, ProtocolOptions } from "../host.ts";
import { compileMethods, type RpcComponents, RpcConnection, rpcFramingLimits } from "../rpc.ts";
import { type KeepAnswer, type KeepRequest, WATCH_PROTOCOL, type WatchMethods, watchMethods } from "./messages.ts";

const calls = compileMethods(watchMethods);
const none = compileMethods({});

/** A payee keeps one stream; a second overlaps while it connects anew. */
const protocolOptions: ProtocolOptions = { limits: rpcFramingLimits, maxStreams: 2 };

export interface TowerContact {
  readonly address: Address;
  readonly multiaddrs: readonly string[];
}

/** A tower as its payee holds it. */
export type TowerConnection = RpcConnection<WatchMethods>;

export async function dialTower(
  host: Host,
  tower: TowerContact,
  components: RpcComponents,
  signal: AbortSignal,
): Promise<TowerConnection> {
  const stream = await host.open(WATCH_PROTOCOL, tower.address, tower.multiaddrs, { ...protocolOptions, signal });
  return new RpcConnection<WatchMethods>(stream, { outgoing: calls, incoming: none }, refuse, components);
}

/** Registers the tower's side. `keep` answers a payee, whose address the connection proves. */
export function handleWatch(
  host: Host,
  keep: (from: Address, request: KeepRequest) => Promise<KeepAnswer>,
  components: RpcComponents,
): void {
  host.handle(WATCH_PROTOCOL, protocolOptions, (stream) => {
    new RpcConnection<Record<string, never>>(
      stream,
      { outgoing: none, incoming: calls },
      (_method, body) => keep(stream.remoteAddress, body as KeepRequest),
      components,
    );
  });
}

async function refuse(): Promise<never> {
  throw new PublicError({ code: "METHOD_UNKNOWN" });
}
