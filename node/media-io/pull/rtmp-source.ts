import type { Logger } from "@leat/sdk/base/logger.ts";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import type { AmfValue } from "@leat/transcoder/rtmp/amf0.ts";
import { messageTypes, type RtmpMessage } from "@leat/transcoder/rtmp/chunk-reader.ts";
import { RtmpClient, type RtmpFaults } from "@leat/transcoder/rtmp/client.ts";
import { RtmpWireError } from "@leat/transcoder/rtmp/errors.ts";
import { KnownConfigs } from "../known-configs.ts";
import { splitMessage } from "../rtmp/aggregate.ts";
import { enhancements } from "../rtmp/enhanced.ts";
import { FlvDemuxer } from "../rtmp/flv.ts";
import { readTimedData } from "../rtmp/timed-data.ts";
import { Deadline } from "./deadline.ts";
import { PullError } from "./errors.ts";
import { MessageQueue } from "./message-queue.ts";
import type { PullOptions } from "./options.ts";
import type { Outbound } from "./outbound.ts";
import type { Throttle } from "./pacing.ts";
import { type PullSource, placeOf } from "./source-url.ts";
import type { PulledMedia } from "./ts-source.ts";

export interface RtmpSourceParts {
  readonly outbound: Outbound;
  readonly options: PullOptions;
  readonly throttle: Throttle;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const CONTROL_CHANNEL = 2;
const SET_BUFFER = 3;
const STREAM_END = 1;
/** How much of what is not live a server may send ahead. */
const BUFFER_MS = 3_000;
/** A live stream with this name, or else a recorded one. */
const LIVE_OR_RECORDED = -2_000;
/** The stream that its server plays is over for now: its publisher has left, and may come back. */
const endings = new Set(["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop"]);

/** Connects to a server by RTMP and asks it to play. @throws PullError, RtmpWireError */
export async function openRtmp(
  source: PullSource,
  { outbound, options, throttle, logger, signal }: RtmpSourceParts,
): Promise<PulledMedia> {
  const deadline = new Deadline(options.timeoutMs, signal);
  try {
    const socket = await outbound.dial(source, source.scheme === "rtmps", deadline.signal);
    const queue = new MessageQueue<RtmpMessage>(socket, { idleMs: options.idleMs, throttle, signal });
    const client = new RtmpClient({
      socket,
      faults: faultsOf(queue),
      onMessage: (message) => queue.push(message, message.payload.length),
      onStatus: ({ status }) => {
        if (endings.has(status)) client.fail(new PullError({ code: "PULL_SOURCE_LOST" }));
      },
      onFailed: (error) => queue.fail(error),
    });
    const leave = () => client.fail(deadline.signal.reason);
    deadline.signal.addEventListener("abort", leave, { once: true });
    try {
      if (deadline.signal.aborted) leave();
      await play(client, source);
    } catch (error) {
      client.fail(error as Error);
      throw error;
    } finally {
      deadline.signal.removeEventListener("abort", leave);
    }
    queue.isOpen = true;
    return readMessages(queue, logger);
  } finally {
    deadline.clear();
  }
}

function faultsOf(queue: { readonly isOpen: boolean }): RtmpFaults {
  return {
    // Its description may hold the stream's name.
    refused: (status) =>
      new PullError({ code: "PULL_RTMP_REFUSED", status: /^[A-Za-z.]{1,64}$/.exec(status)?.[0] ?? "" }),
    lost: (_reason, cause) => {
      if (cause instanceof RtmpWireError) return cause;
      if (queue.isOpen) return new PullError({ code: "PULL_SOURCE_LOST" }, { cause });
      const reason = (cause as NodeJS.ErrnoException | undefined)?.code ?? "CLOSED";
      return new PullError({ code: "PULL_UNREACHABLE", reason }, { cause });
    },
  };
}

async function play(client: RtmpClient, { scheme, url, port }: PullSource): Promise<void> {
  const { app, name } = placeOf(url);
  const facts: readonly (readonly [string, AmfValue])[] = [
    ["app", app],
    ["flashVer", "LNX 9,0,124,2"],
    ["tcUrl", `${scheme}://${url.hostname}:${port}/${app}`],
    ["fpad", false],
    // Every codec that the format numbers, without meaning to take all of them: servers look for H.264 and AAC here.
    ["audioCodecs", 0x0fff],
    ["videoCodecs", 0x00ff],
    ["videoFunction", 1],
    ...enhancements,
  ];
  await client.start(new Map(facts));
  const stream = await client.createStream();
  const buffer = Buffer.alloc(10);
  buffer.writeUInt16BE(SET_BUFFER);
  buffer.writeUInt32BE(stream, 2);
  buffer.writeUInt32BE(BUFFER_MS, 6);
  client.send(CONTROL_CHANNEL, messageTypes.userControl, 0, 0, buffer);
  client.tell("play", [name, LIVE_OR_RECORDED], stream);
}

async function* readMessages(queue: MessageQueue<RtmpMessage>, logger: Logger): PulledMedia {
  const demuxer = new FlvDemuxer((kind, trackId) => logger.warn("Ignore further tracks of source", { kind, trackId }));
  const configs = new KnownConfigs();
  const isNews = (item: DemuxedItem) => item.type !== "config" || configs.isNew(item.config);
  for await (const message of queue.read()) {
    if (isStreamEnd(message)) throw new PullError({ code: "PULL_SOURCE_LOST" });
    if (isComplete(message)) return;
    yield [...splitMessage(message)].flatMap((part) => demux(demuxer, part)).filter(isNews);
  }
}

function demux(demuxer: FlvDemuxer, { type, timestamp, payload }: RtmpMessage): readonly DemuxedItem[] {
  if (type === messageTypes.video) return demuxer.video(timestamp, payload);
  if (type === messageTypes.audio) return demuxer.audio(timestamp, payload);
  const tag = readTimedData({ type, timestamp, payload });
  return tag === undefined ? [] : [{ type: "tag", tag }];
}

function isStreamEnd({ type, payload }: RtmpMessage): boolean {
  return type === messageTypes.userControl && payload.length >= 2 && payload[0] === 0 && payload[1] === STREAM_END;
}

/** What was recorded is over. Of what servers say in data only this and timed metadata is heard: it may hold anything. */
function isComplete({ type, payload }: RtmpMessage): boolean {
  if (type !== messageTypes.dataAmf0) return false;
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("latin1");
  return text.startsWith("\x02\x00\x0conPlayStatus") && text.includes("NetStream.Play.Complete");
}
