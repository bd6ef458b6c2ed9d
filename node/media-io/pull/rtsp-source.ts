import type { Logger } from "@leat/sdk/base/logger.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import type { Clock } from "../../kernel/clock.ts";
import { RtspClient, type RtspPacket } from "../rtsp/client.ts";
import { type ChosenTracks, isReadable, RtspIntake } from "../rtsp/intake.ts";
import { invalid } from "../rtsp/message-reader.ts";
import { type DescribedTrack, readDescription, type SessionDescription } from "../rtsp/session-description.ts";
import { WhipError } from "../whip/errors.ts";
import { Deadline } from "./deadline.ts";
import { PullError } from "./errors.ts";
import { MessageQueue } from "./message-queue.ts";
import type { PullOptions } from "./options.ts";
import type { Outbound } from "./outbound.ts";
import type { Throttle } from "./pacing.ts";
import { authorityOf, credentialsOf, type PullSource } from "./source-url.ts";
import type { PulledMedia } from "./ts-source.ts";

export interface RtspSourceParts {
  readonly outbound: Outbound;
  readonly options: PullOptions;
  readonly throttle: Throttle;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

type Kind = "video" | "audio";

/** A channel of the connection: a track's packets, or the reports of them. */
interface Channel {
  readonly kind: Kind;
  readonly isReports: boolean;
}

interface Opened {
  readonly tracks: ChosenTracks;
  readonly channels: ReadonlyMap<number, Channel>;
  readonly description: SessionDescription;
  /** After so long without a word of ours a server may forget us. */
  readonly sessionMs: number;
  readonly keepAlive: string;
}

/** As the standard has it where a server does not say. */
const SESSION_S = 60;
const MAX_SESSION_S = 3_600;

/** Connects to a server by RTSP and has it play, all of it on the one connection. @throws PullError */
export async function openRtsp(source: PullSource, parts: RtspSourceParts): Promise<PulledMedia> {
  const { outbound, options, throttle, clock, logger, signal } = parts;
  const credentials = credentialsOf(source.url);
  const deadline = new Deadline(options.timeoutMs, signal);
  try {
    const socket = await outbound.dial(source, source.scheme === "rtsps", deadline.signal);
    const queue = new MessageQueue<RtspPacket>(socket, {
      idleMs: options.idleMs,
      throttle,
      signal,
      farewell: () => client.close(),
    });
    const client = new RtspClient({
      socket,
      credentials,
      onPacket: (packet) => queue.push(packet, packet.data.length),
      onFailed: (error) => queue.fail(error),
    });
    const leave = () => client.fail(deadline.signal.reason);
    deadline.signal.addEventListener("abort", leave, { once: true });
    try {
      if (deadline.signal.aborted) leave();
      const opened = await play(client, source, logger);
      return readPackets(queue, client, opened, new RtspIntake(opened.tracks), clock);
    } catch (error) {
      client.fail(error as Error);
      throw error;
    } finally {
      deadline.signal.removeEventListener("abort", leave);
    }
  } finally {
    deadline.clear();
  }
}

async function play(client: RtspClient, source: PullSource, logger: Logger): Promise<Opened> {
  const { scheme, url } = source;
  const address = `${scheme}://${authorityOf(source)}${url.pathname}${url.search}`;
  const publics = await client.ask("OPTIONS", address).then(({ headers }) => headers.get("public"), ignoreStatus);
  const described = await client.ask("DESCRIBE", address, { Accept: "application/sdp" });
  const base = described.headers.get("content-base") ?? described.headers.get("content-location") ?? [address];
  const description = readDescription(described.body, /^rtsps?:\/\/[!-~]+$/i.test(base[0]!) ? base[0]! : address);
  const tracks = chooseTracks(description.tracks, logger);
  const channels = new Map<number, Channel>();
  let sessionMs = SESSION_S * 1_000;
  for (const kind of ["video", "audio"] as const) {
    const track = tracks[kind];
    if (track === undefined) continue;
    const wanted = channels.size;
    const transport = `RTP/AVP/TCP;unicast;interleaved=${wanted}-${wanted + 1}`;
    const { headers } = await client.ask("SETUP", track.uri, { Transport: transport });
    const session = /^([!-:<-~]{1,256})(?:.*;\s*timeout\s*=\s*(\d{1,6}))?/i.exec(headers.get("session")?.[0] ?? "");
    if (session !== null) client.session = session[1]!;
    if (session?.[2] !== undefined) sessionMs = Math.min(MAX_SESSION_S, Math.max(1, Number(session[2]))) * 1_000;
    const given = headers.get("transport")?.[0] ?? "";
    const [, first = `${wanted}`, second] = /interleaved=(\d{1,3})(?:-(\d{1,3}))?/i.exec(given) ?? [];
    // A server that sends by UDP all the same would be waited for in vain.
    if (!/TCP|interleaved/i.test(given)) throw invalid("transport");
    channels.set(Number(first), { kind, isReports: false });
    channels.set(Number(second ?? Number(first) + 1), { kind, isReports: true });
  }
  // What comes before its answer is kept.
  await client.ask("PLAY", description.uri, { Range: "npt=0.000-" });
  client.open(description.uri);
  const keepAlive = /\bGET_PARAMETER\b/.test((publics ?? []).join()) ? "GET_PARAMETER" : "OPTIONS";
  return { tracks, channels, description, sessionMs, keepAlive };
}

/** Who is not asked what it can do is asked for what it has all the same. */
function ignoreStatus(error: unknown): undefined {
  if (error instanceof PullError && error.code === "PULL_STATUS_REFUSED") return undefined;
  throw error;
}

/** The first of each kind that can be read. Sound that cannot be is left out: cameras' pictures are worth having. */
function chooseTracks(tracks: readonly DescribedTrack[], logger: Logger): ChosenTracks {
  const [video, audio] = (["video", "audio"] as const).map((kind) =>
    tracks.find((track) => track.kind === kind && isReadable(track)),
  );
  const others = tracks.filter((track) => track !== video && track !== audio);
  if (others.length > 0) {
    const { kind, encoding } = others[0]!;
    logger.warn("Ignore further tracks of source", { kind, encoding: printable(encoding), tracks: others.length });
  }
  const missed = tracks.find(({ kind }) => kind === "video") ?? tracks[0];
  if (missed === undefined) throw new PullError({ code: "PULL_SOURCE_EMPTY" });
  if ((video ?? audio) === undefined || (missed.kind === "video" && video === undefined)) {
    throw new PullError({ code: "PULL_CODEC_UNSUPPORTED", found: printable(missed.encoding) });
  }
  return { video, audio };
}

async function* readPackets(
  queue: MessageQueue<RtspPacket>,
  client: RtspClient,
  { tracks, channels, description, sessionMs, keepAlive }: Opened,
  intake: RtspIntake,
  clock: Clock,
): PulledMedia {
  const over = new Set<Kind>();
  const timer = setInterval(() => client.tell(keepAlive, description.uri), sessionMs / 2);
  try {
    for await (const { channel, data } of queue.read()) {
      const { kind, isReports } = channels.get(channel) ?? {};
      if (kind !== undefined && isReports !== true) {
        yield take(() => intake.push(kind, data, clock.nowMs()));
        continue;
      }
      if (kind !== undefined && intake.report(kind, data)) over.add(kind);
      const isOver = (["video", "audio"] as const).every((one) => tracks[one] === undefined || over.has(one));
      if (isOver && description.isWhole) return;
      if (isOver) throw new PullError({ code: "PULL_SOURCE_LOST" });
      // It talks, and sends nothing.
      yield [];
    }
  } finally {
    clearInterval(timer);
  }
}

/** Its packets are read as those of publishers are; what is wrong with them is the source's here. */
function take(read: () => readonly DemuxedItem[]): readonly DemuxedItem[] {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WhipError) || error.detail.code !== "WHIP_FRAME_TOO_LARGE") throw error;
    throw new PullError({ code: "PULL_FRAME_TOO_LARGE", limit: error.detail.limit }, { cause: error });
  }
}

/** As it may stand in a log. */
function printable(encoding: string): string {
  return /^[!-~]{1,32}$/.exec(encoding)?.[0] ?? "?";
}
