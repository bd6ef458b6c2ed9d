import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { FramedStream } from "../framing.ts";
import type { Host, ProtocolOptions } from "../host.ts";
import { compileMethods, type RpcComponents, RpcConnection, type RpcHandler, rpcFramingLimits } from "../rpc.ts";
import { type BalancerMethods, balancerMethods, type NodeMethods, nodeMethods, SESSION_PROTOCOL } from "./messages.ts";

const nodeCalls = compileMethods(nodeMethods);
const balancerCalls = compileMethods(balancerMethods);

/** One session lives per node and balancer; a second stream replaces the first. Two overlap while that happens. */
const protocolOptions: ProtocolOptions = { limits: rpcFramingLimits, maxStreams: 4 };

/** A session as the node holds it: it calls the balancer's methods. */
export type NodeSession = RpcConnection<NodeMethods>;
/** A session as the balancer holds it: it calls the node's methods. */
export type BalancerSession = RpcConnection<BalancerMethods>;

export interface BalancerContact {
  readonly address: Address;
  readonly multiaddrs: readonly string[];
}

/** Opens a session stream to a balancer. The first call must be hello. */
export async function dialSession(
  host: Host,
  balancer: BalancerContact,
  handler: RpcHandler,
  components: RpcComponents,
  signal: AbortSignal,
): Promise<NodeSession> {
  const stream = await host.open(SESSION_PROTOCOL, balancer.address, balancer.multiaddrs, {
    ...protocolOptions,
    signal,
  });
  return new RpcConnection<NodeMethods>(stream, { outgoing: nodeCalls, incoming: balancerCalls }, handler, components);
}

/** Registers the balancer's side. `accept` gets each new stream and makes its session with `openBalancerSession`. */
export function handleSessions(host: Host, accept: (stream: FramedStream) => void): void {
  host.handle(SESSION_PROTOCOL, protocolOptions, accept);
}

export function openBalancerSession(
  stream: FramedStream,
  handler: RpcHandler,
  components: RpcComponents,
): BalancerSession {
  return new RpcConnection<BalancerMethods>(
    stream,
    { outgoing: balancerCalls, incoming: nodeCalls },
    handler,
    components,
  );
}
