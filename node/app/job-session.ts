import type { JobSession } from "../services/jobs/ports.ts";
import type { SessionClientService } from "../services/session/client.ts";
import type { CallOptions } from "../wire/rpc.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
} from "../wire/session/messages.ts";
import type { Welcome } from "../wire/session/presence.ts";

/** The session as the services that do jobs see it: what the balancer last said of itself outlives its absence. */
export class JobSessionAdapter implements JobSession {
  readonly #session: SessionClientService;
  #welcome: Welcome | undefined;

  constructor(session: SessionClientService) {
    this.#session = session;
    session.onConnected(({ welcome }) => {
      this.#welcome = welcome;
    });
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  call<M extends NodeMethod>(
    method: M,
    body: NodeRequest<M>,
    options?: Pick<CallOptions, "isUrgent">,
  ): Promise<NodeResponse<M>> {
    return this.#session.call(method, body, options);
  }

  handle<M extends BalancerMethod>(
    method: M,
    handler: (body: BalancerRequest<M>) => Promise<BalancerResponse<M>>,
  ): void {
    this.#session.handle(method, handler);
  }
}
