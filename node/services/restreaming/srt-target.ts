import { chooseTracks } from "@leat/node/media-io/playout/choose-tracks.ts";
import { SentCount } from "@leat/node/media-io/playout/sent-count.ts";
import type { PlayedStream } from "@leat/node/media-io/playout/stream.ts";
import type { TsFeeds } from "@leat/node/media-io/playout/ts-feed.ts";
import { ViewerQueue } from "@leat/node/media-io/playout/viewer-queue.ts";
import { RestreamError } from "@leat/node/media-io/restream/errors.ts";
import type { SrtAddress } from "@leat/node/media-io/restream/target-url.ts";
import type { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { isTsCodec } from "@leat/transcoder/mpegts/track-writers.ts";

export interface SrtPushParts {
  readonly stream: PlayedStream;
  readonly rung: string | undefined;
  /** Looked up and judged. */
  readonly host: string;
  readonly address: SrtAddress;
  readonly srt: Pick<SrtService, "dial" | "fault">;
  readonly feeds: TsFeeds;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  readonly onSent: (bytes: number) => void;
  /** Something has left. */
  readonly onGoing: () => void;
}

/** Sends a rung as a transport stream until the stream is over, or the signal aborts. @throws RestreamError, PlayoutError */
export async function pushBySrt(parts: SrtPushParts, signal: AbortSignal): Promise<void> {
  const { stream, rung, host, address, srt, feeds, timeoutMs, nowMs, onSent, onGoing } = parts;
  const tracks = chooseTracks(stream.window.renditions, rung, (codec) => isTsCodec({ codec }));
  if (srt.fault !== undefined) throw new RestreamError({ code: "RESTREAM_SRT_MISSING" });
  const { port, streamId, passphrase, latencyMs } = address;
  const connected = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  let isFinished = false;
  const call = srt.dial(
    { host, port, streamId, passphrase, latencyMs },
    {
      connected: connected.resolve,
      sent: (bytes) => queue.taken(bytes),
      closed: (refused) => {
        if (isFinished) over.resolve();
        else
          over.reject(
            new RestreamError(refused ? { code: "RESTREAM_REFUSED", status: "srt" } : { code: "RESTREAM_LOST" }),
          );
      },
    },
  );
  const count = new SentCount({ stream, audience: undefined, onSent });
  const queue: ViewerQueue = new ViewerQueue({
    send: (bytes) => call.send(bytes),
    nowMs,
    onSent: ({ frames }) => {
      for (const sent of frames) count.add(sent.rung, sent.frame, sent.sequence);
      onGoing();
    },
  });
  const leave = () => over.resolve();
  const timer = setTimeout(() => over.reject(new RestreamError({ code: "RESTREAM_TIMEOUT", timeoutMs })), timeoutMs);
  signal.addEventListener("abort", leave, { once: true });
  let unfollow = () => {};
  try {
    await Promise.race([connected.promise, over.promise]);
    clearTimeout(timer);
    if (signal.aborted) return;
    unfollow = feeds.follow(stream, tracks, {
      piece: (piece) => queue.push(piece),
      end: () => {
        isFinished = true;
        queue.finish();
        call.finish();
      },
    });
    await over.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    unfollow();
    call.close();
  }
}
