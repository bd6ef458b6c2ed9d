import { randomInt } from "node:crypto";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type MetricsRegister, silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Clock, systemClock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { TickedSet } from "../../kernel/ticked-set.ts";
import type { PlayedStream, PlayedStreams, StreamAudience } from "../playout/stream.ts";
import type { Peer, Peers } from "../webrtc/endpoint.ts";
import { WebrtcError } from "../webrtc/errors.ts";
import { IceServers } from "../webrtc/ice-servers.ts";
import type { WebrtcOptions } from "../webrtc/options.ts";
import { writeAnswer } from "../webrtc/sdp-answer.ts";
import { type Offer, parseOffer } from "../webrtc/sdp-offer.ts";
import { type OpenSession, Sessions } from "../webrtc/sessions.ts";
import { type ChosenTrack, chooseRungs, type RungLook, type WhepChoice } from "./choose-rungs.ts";
import { WhepError } from "./errors.ts";
import { FrameCutter } from "./frame-cutter.ts";
import { ViewerPlaces } from "./viewer-places.ts";
import { WhepSession, type WhepSessionParts } from "./whep-session.ts";

export interface WhepComponents {
  readonly peers: Peers;
  readonly provider: PlayedStreams;
  readonly audienceOf?: (stream: PlayedStream) => StreamAudience;
  /** Viewers pay for it, which they cannot here. */
  readonly isPaid?: (stream: PlayedStream) => boolean;
  readonly logger: Logger;
  readonly metrics?: MetricsRegister;
  readonly clock?: Clock;
}

export interface WhepAnswer extends OpenSession {
  readonly sdp: string;
  readonly links: readonly string[];
}

/** Between two looks at what waits for its turn. */
const TICK_MS = 5;

/** Plays streams by WHEP: frames as they pass this node, never files. */
export class WhepService implements Startable {
  /** Their number is bounded by the places. */
  readonly sessions = new Sessions(Number.POSITIVE_INFINITY);
  readonly #components: WhepComponents;
  readonly #clock: Clock;
  readonly #options: WebrtcOptions;
  readonly #iceServers: IceServers;
  readonly #tasks: TaskGroup;
  readonly #cutter = new FrameCutter();
  readonly #places: ViewerPlaces;
  readonly #live: TickedSet<WhepSession>;
  readonly #begun;
  readonly #served;

  constructor(components: WhepComponents, options: WebrtcOptions) {
    this.#components = components;
    this.#clock = components.clock ?? systemClock;
    this.#options = options;
    this.#iceServers = new IceServers(options);
    this.#places = new ViewerPlaces(options.maxViewers);
    const { logger, metrics = silentMetrics } = components;
    const onError = (error: unknown) => logger.error("Serve WHEP failed", { error });
    this.#tasks = new TaskGroup({ clock: this.#clock, onError });
    this.#live = new TickedSet(this.#tasks, this.#clock, TICK_MS);
    this.#begun = metrics.counter({ name: "leat_whep_sessions_total", help: "WHEP sessions that were begun" });
    this.#served = metrics.counter({ name: "leat_whep_served_bytes_total", help: "Media bytes sent to WHEP viewers" });
    metrics.gauge({ name: "leat_whep_viewers", help: "WHEP sessions now", collect: () => this.#live.size });
  }

  async start(): Promise<void> {
    await this.#iceServers.load();
  }

  async stop(): Promise<void> {
    for (const session of this.#live) session.end();
    await this.#tasks.close();
  }

  /** @throws WebrtcError, WhepError */
  async play(
    slug: string,
    sdp: string,
    rung: string | undefined,
    who: Pick<WhepSessionParts, "viewer" | "mayWatch">,
  ): Promise<WhepAnswer> {
    const { peers, provider, isPaid, audienceOf, logger } = this.#components;
    if (peers.fault !== undefined) throw peers.fault;
    const stream = provider.findStream(slug);
    if (stream === undefined) throw new WhepError({ code: "WHEP_STREAM_UNKNOWN" });
    if (stream.window.ended) throw new WhepError({ code: "WHEP_STREAM_ENDED" });
    const refusePaid = () => {
      if (isPaid?.(stream) === true) throw new WhepError({ code: "WHEP_STREAM_PAID" });
    };
    refusePaid();
    const offer = parseOffer(sdp);
    const ssrcs = { video: randomInt(2, 2 ** 32 - 1), audio: randomInt(2, 2 ** 32 - 1) };
    const look = (one: number) => lookAt(stream, one);
    const choose = () => chooseRungs({ offer, renditions: stream.window.renditions, rung, look, ssrcs });
    const { video, audio, answered } = choose();
    const audience = audienceOf?.(stream);
    const place = this.#places.take(who.viewer.ip);
    const session: WhepSession = new WhepSession({
      stream,
      choice: { video, audio },
      viewer: who.viewer,
      mayWatch: async () => {
        refusePaid();
        await who.mayWatch();
      },
      audience,
      cutter: this.#cutter,
      clientUfrag: offer.ice.ufrag,
      nowMs: () => this.#clock.nowMs(),
      random: () => randomInt(2 ** 32) / 2 ** 32,
      connectTimeoutMs: this.#options.connectTimeoutMs,
      recheckMs: this.#options.recheckMs,
      logger,
      findOther: () => findSame(choose, video),
      onOpen: () => place.open(),
      onSent: (bytes) => this.#served.add(bytes),
      onEnd: () => {
        place.leave();
        this.#live.delete(session);
        this.sessions.remove(session);
      },
    });
    this.#live.add(session);
    const peer = await this.#connect(session, offer);
    this.#begun.add();
    return { ...this.sessions.add(session), sdp: writeAnswer(peer.transport, answered), links: this.links() };
  }

  async #connect(session: WhepSession, offer: Offer): Promise<Peer> {
    try {
      const peer = await this.#components.peers.connect(offer, session);
      session.attach(peer);
      if (session.isOver) throw new WebrtcError({ code: "WEBRTC_CONNECTION_LOST" });
      return peer;
    } catch (error) {
      session.end();
      throw error;
    }
  }

  links(): string[] {
    return this.#iceServers.links(this.#clock.nowMs());
  }
}

/** The rung that would be chosen now, in the codec that was answered. */
function findSame(choose: () => Pick<WhepChoice, "video">, answered: ChosenTrack | undefined): number | undefined {
  try {
    const { video } = choose();
    return video?.codec.name === answered?.codec.name ? video?.rung : undefined;
  } catch (error) {
    if (error instanceof WhepError) return undefined;
    throw error;
  }
}

/** What a rung's frames have shown until now. */
function lookAt({ frames }: PlayedStream, rung: number): RungLook {
  let codecString: string | undefined;
  const unfollow = frames.follow(rung, {
    config: (_, config) => {
      codecString = config.codecString;
    },
    frame: () => {},
    takeBack: () => {},
    end: () => {},
  });
  unfollow();
  return { codecString, isReordered: frames.isReordered(rung) };
}
