import type { Logger } from "@leat/sdk/base/logger.ts";
import { type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { TickedSet } from "../../kernel/ticked-set.ts";
import type { PublishInfo, PublishSink } from "../publish-sink.ts";
import type { Peer, Peers } from "../webrtc/endpoint.ts";
import { WebrtcError } from "../webrtc/errors.ts";
import { IceServers } from "../webrtc/ice-servers.ts";
import type { WebrtcOptions } from "../webrtc/options.ts";
import { writeAnswer } from "../webrtc/sdp-answer.ts";
import { parseOffer } from "../webrtc/sdp-offer.ts";
import { type OpenSession, Sessions } from "../webrtc/sessions.ts";
import { chooseCodecs, sourceCodecOf } from "./choose-codecs.ts";
import { WhipSession } from "./whip-session.ts";

export interface WhipComponents {
  readonly peers: Peers;
  /** Says yes with a sink, no with a CodedError. `key` is a secret. */
  readonly authorize: (key: string, info: PublishInfo) => Promise<PublishSink>;
  /** The same for who was sent here by a front door; a ticket is a secret for as long as it stands. */
  readonly authorizeTicket: (slug: string, ticket: string, info: PublishInfo) => Promise<PublishSink>;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
}

/** What a publisher shows. */
export type WhipPublisher = { readonly key: string } | { readonly slug: string; readonly ticket: string };

export interface WhipAnswer extends OpenSession {
  readonly sdp: string;
  readonly links: readonly string[];
}

/** Packets that were overtaken wait for no longer than this beyond their time. */
const TICK_MS = 10;

/** Takes publishers by WHIP (RFC 9725). */
export class WhipService implements Startable {
  readonly sessions: Sessions;
  readonly #components: Required<WhipComponents>;
  readonly #options: WebrtcOptions;
  readonly #iceServers: IceServers;
  readonly #tasks: TaskGroup;
  readonly #live: TickedSet<WhipSession>;
  readonly #ending = new Set<Promise<void>>();
  readonly #accepted;

  constructor(components: WhipComponents, options: WebrtcOptions) {
    this.#components = { metrics: silentMetrics, clock: systemClock, ...components };
    this.#options = options;
    this.#iceServers = new IceServers(options);
    this.sessions = new Sessions(options.maxPublishers);
    const { clock, logger, metrics } = this.#components;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.error("Serve WHIP failed", { error }) });
    this.#live = new TickedSet(this.#tasks, clock, TICK_MS);
    this.#accepted = metrics.counter({ name: "leat_whip_sessions_total", help: "WHIP sessions that were begun" });
    metrics.gauge({ name: "leat_whip_publishers", help: "WHIP sessions now", collect: () => this.#live.size });
  }

  async start(): Promise<void> {
    await this.#iceServers.load();
  }

  async stop(): Promise<void> {
    for (const session of this.#live) session.stop(new WebrtcError({ code: "WEBRTC_STOPPED" }));
    await this.#tasks.close();
    await Promise.all(this.#ending);
  }

  /**
   * Answers a publisher's offer. Cheap rules first: the balancer is asked about the publisher only for an offer that can be
   * answered. @throws WebrtcError, WhipError, and whatever `authorize` says
   */
  async publish(who: WhipPublisher, sdp: string, address: string, gone: AbortSignal): Promise<WhipAnswer> {
    const { peers, clock, logger } = this.#components;
    if (peers.fault !== undefined) throw peers.fault;
    const offer = parseOffer(sdp);
    const { video, audio, answered } = chooseCodecs(offer);
    const giveBack = this.sessions.reserve();
    try {
      const lost = new AbortController();
      const signal = AbortSignal.any([gone, lost.signal]);
      const sink = await this.#authorize(who, {
        protocol: "whip",
        address,
        signal,
        ...(video !== undefined && { videoCodec: sourceCodecOf(video) }),
      });
      const session: WhipSession = new WhipSession(
        {
          sink,
          codecs: { video, audio },
          clientUfrag: offer.ice.ufrag,
          nowMs: () => clock.nowMs(),
          logger,
          onEnd: () => {
            lost.abort();
            this.#forget(session);
          },
        },
        this.#options,
      );
      this.#live.add(session);
      let peer: Peer;
      try {
        peer = await peers.connect(offer, session);
        session.attach(peer);
        if (gone.aborted || session.isOver) throw new WebrtcError({ code: "WEBRTC_CONNECTION_LOST" });
      } catch (error) {
        session.stop(error);
        throw error;
      }
      this.#accepted.add();
      return { ...this.sessions.add(session), sdp: writeAnswer(peer.transport, answered), links: this.links() };
    } finally {
      giveBack();
    }
  }

  #authorize(who: WhipPublisher, info: PublishInfo): Promise<PublishSink> {
    const { authorize, authorizeTicket } = this.#components;
    return "key" in who ? authorize(who.key, info) : authorizeTicket(who.slug, who.ticket, info);
  }

  /** Servers that anybody may be told of. */
  openLinks(): string[] {
    return this.#iceServers.openLinks();
  }

  /** Servers that a client may use, as Link headers; fresh credentials each time. */
  links(): string[] {
    return this.#iceServers.links(this.#components.clock.nowMs());
  }

  #forget(session: WhipSession): void {
    this.#live.delete(session);
    this.sessions.remove(session);
    const done: Promise<void> = session.done.finally(() => this.#ending.delete(done));
    this.#ending.add(done);
  }
}
