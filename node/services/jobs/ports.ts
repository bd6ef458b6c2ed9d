import type { MediaConnection, OpenMediaOptions } from "@leat/node/wire/media/message.ts";
import type { CallOptions } from "@leat/node/wire/rpc.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
} from "@leat/node/wire/session/messages.ts";
import type { Welcome } from "@leat/node/wire/session/presence.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";

/** What the services that do jobs see of the session with their balancer. */
export interface JobSession {
  /** What the balancer said when the session opened; undefined before the first time. */
  readonly welcome: Welcome | undefined;
  /** Rejects with a CodedError: the public code that the balancer answered, or that there is no answer. */
  call<M extends NodeMethod>(
    method: M,
    body: NodeRequest<M>,
    options?: Pick<CallOptions, "isUrgent">,
  ): Promise<NodeResponse<M>>;
  handle<M extends BalancerMethod>(
    method: M,
    handler: (body: BalancerRequest<M>) => Promise<BalancerResponse<M>>,
  ): void;
}

/** Dials other nodes for media. */
export interface MediaDialer {
  openMedia(multiaddrs: readonly string[], peer: Address, options?: OpenMediaOptions): Promise<MediaConnection>;
}
