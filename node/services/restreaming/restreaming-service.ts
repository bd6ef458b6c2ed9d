import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { allowNetworks } from "@leat/node/kernel/net/address-policy.ts";
import type { ResolveName } from "@leat/node/kernel/net/name-lookup.ts";
import type { AddressRules } from "@leat/node/kernel/net/pinned-address.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { PlayedStreams } from "@leat/node/media-io/playout/stream.ts";
import { TsFeeds } from "@leat/node/media-io/playout/ts-feed.ts";
import { RestreamError } from "@leat/node/media-io/restream/errors.ts";
import type { RestreamOptions } from "@leat/node/media-io/restream/options.ts";
import type { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { PublicError } from "@leat/node/wire/errors.ts";
import type { BalancerRequest } from "@leat/node/wire/session/messages.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import type { JobSession } from "../jobs/ports.ts";
import { Restream } from "./restream.ts";

export interface RestreamingComponents {
  readonly session: Pick<JobSession, "call" | "handle">;
  readonly streams: PlayedStreams;
  readonly srt: Pick<SrtService, "dial" | "fault">;
  readonly resolve?: ResolveName;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

interface Running {
  readonly restream: Restream;
  readonly stopping: AbortController;
}

/** Sends streams that this node serves on to the servers that the balancer names. */
export class RestreamingService implements Startable {
  readonly #components: RestreamingComponents;
  readonly #options: RestreamOptions;
  readonly #rules: AddressRules;
  readonly #tasks: TaskGroup;
  readonly #feeds = new TsFeeds();
  /** By stream, then by the target's name. */
  readonly #running = new Map<Hex, Map<string, Running>>();
  readonly #sent;

  constructor(components: RestreamingComponents, options: RestreamOptions) {
    const { clock, logger, metrics, resolve } = components;
    const allows = allowNetworks(options.allow);
    this.#components = components;
    this.#options = options;
    this.#rules = resolve === undefined ? { allows } : { allows, resolve };
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Send stream on failed", { error }) });
    this.#sent = metrics.counter({ name: "leat_restream_sent_bytes_total", help: "Media bytes sent on to servers" });
    metrics.gauge({ name: "leat_restream_targets", help: "Servers that are sent to", collect: () => this.#count() });
  }

  async start(): Promise<void> {
    this.#components.session.handle("restream.set", async (request) => this.#set(request));
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  /** What it is to be from now on: whatever is not named any more ends. Those that stay are told of again. */
  #set({ stream, slug, targets }: BalancerRequest<"restream.set">): Record<string, never> {
    const { enabled, maxTargets: limit } = this.#options;
    const held = this.#running.get(stream) ?? new Map<string, Running>();
    const isNamed = ({ target }: Restream) => targets.some((one) => isSame(one, target));
    for (const [name, { restream, stopping }] of held) {
      if (isNamed(restream)) continue;
      stopping.abort();
      held.delete(name);
    }
    if (held.size === 0) this.#running.delete(stream);
    if (this.#tasks.signal.aborted || targets.length === 0) return {};
    if (!enabled) throw new PublicError({ code: "RESTREAM_DISABLED" });
    this.#running.set(stream, held);
    for (const target of targets) {
      const known = held.get(target.name);
      if (known !== undefined) this.#tell(stream, target.name, known.restream.code ?? null);
      else if (this.#count() < limit) held.set(target.name, this.#run(stream, slug, target));
      else this.#tell(stream, target.name, new RestreamError({ code: "RESTREAM_TARGETS_EXCEEDED", limit }).code);
    }
    return {};
  }

  #run(stream: Hex, slug: string, target: RestreamTarget): Running {
    const { clock, logger, streams, srt } = this.#components;
    const stopping = new AbortController();
    const restream = new Restream({
      slug,
      target,
      streams,
      srt,
      feeds: this.#feeds,
      rules: this.#rules,
      options: this.#options,
      clock,
      logger: logger.child({ streamId: stream }),
      onState: (code) => this.#tell(stream, target.name, code),
      onSent: (bytes) => this.#sent.add(bytes),
    });
    const running = { restream, stopping };
    this.#tasks.run(async (signal) => {
      await restream.run(AbortSignal.any([signal, stopping.signal]));
      const held = this.#running.get(stream);
      if (held?.get(target.name) !== running) return;
      held.delete(target.name);
      if (held.size === 0) this.#running.delete(stream);
    });
    return running;
  }

  /** Whoever misses it is told when it names the targets again. */
  #tell(stream: Hex, name: string, code: string | null): void {
    if (this.#tasks.signal.aborted) return;
    this.#tasks.run(async () => {
      try {
        await this.#components.session.call("restream.state", { stream, name, code });
      } catch (error) {
        this.#components.logger.debug("Tell state of target failed", { error });
      }
    });
  }

  #count(): number {
    return [...this.#running.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

function isSame(left: RestreamTarget, right: RestreamTarget): boolean {
  return left.name === right.name && left.url === right.url && left.rung === right.rung;
}
