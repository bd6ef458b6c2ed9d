import { Child } from "../child.ts";
import type { TranscodeError } from "../errors.ts";
import type { MediaInput } from "./media-item.ts";
import type { PublishErrorDetail } from "./publish-error.ts";
import { PublishError } from "./publish-error.ts";

export interface PublishOptions {
  readonly url?: string;
  /** Tried in turn when one refuses, cannot be reached or is lost. */
  readonly urls?: readonly string[];
  /** Follow each other on one connection, with times that go on. */
  readonly inputs: readonly MediaInput[];
  /** Sends each frame when it is due, as a camera would. On by default. */
  readonly realtime?: boolean;
  /** Starts over with the first input after the last. */
  readonly loop?: boolean;
  /** Connects again when the connection is lost, for up to 30 s. On by default where there are several addresses. */
  readonly reconnect?: boolean;
}

export interface PublishReport {
  readonly videoFrames: number;
  readonly audioFrames: number;
  /** Wall clock, milliseconds since 1970. */
  readonly firstFrameAtMs: number | null;
  readonly lastFrameAtMs: number | null;
  /** Times on the stream's clock of the last connection. */
  readonly lastTimeMs: number | null;
  readonly connections: readonly PublishConnection[];
  readonly refusals: readonly PublishErrorDetail[];
}

export interface PublishConnection {
  /** Which of the addresses; the addresses themselves hold keys. */
  readonly urlIndex: number;
  readonly connectedAtMs: number;
  readonly videoFrames: number;
  /** Frames of a source in real time that were due while there was no connection, or before its next key frame. */
  readonly skippedBefore: number;
  readonly lostAtMs: number | null;
}

export interface Publisher {
  readonly pid: number | undefined;
  /** A server accepted the stream for the first time. */
  readonly started: Promise<void>;
  /** The inputs ended (or `stop` was called) and the stream was unpublished. Rejects with a PublishError. */
  readonly done: Promise<PublishReport>;
  /** Unpublishes cleanly now. */
  stop(): Promise<PublishReport>;
  /** Drops the connection without a word and ends. `done` resolves with what was sent. */
  abort(): Promise<PublishReport>;
  /** Drops the connection without a word; with `reconnect` the publisher comes back. */
  disconnect(): void;
  kill(): void;
}

export type ToPublisher =
  | { readonly type: "start"; readonly options: PublishOptions }
  | { readonly type: "stop" }
  | { readonly type: "abort" }
  | { readonly type: "disconnect" };

export type FromPublisher =
  | { readonly type: "started" }
  | { readonly type: "finished"; readonly report: PublishReport }
  | { readonly type: "error"; readonly detail: PublishErrorDetail };

const CHILD = new URL("./publisher-child.ts", import.meta.url);

/** Publishes as a real publisher would, by RTMP with H.264 and AAC, from a process of its own. */
export function publish(options: PublishOptions): Publisher {
  const started = Promise.withResolvers<void>();
  const done = Promise.withResolvers<PublishReport>();
  // Callers may wait for either one: the other must not count as unhandled.
  started.promise.catch(() => {});
  done.promise.catch(() => {});
  let fault: PublishError | undefined;
  let report: PublishReport | undefined;
  const onExit = (error: TranscodeError | undefined) => {
    const lost = () => new PublishError({ code: "PUBLISH_LOST", reason: error?.message ?? "the publisher ended" });
    if (report) {
      started.resolve();
      done.resolve(report);
      return;
    }
    fault ??= lost();
    started.reject(fault);
    done.reject(fault);
  };
  const child = new Child({
    entry: CHILD,
    threads: 2,
    onMessage: (raw) => {
      const message = raw as FromPublisher;
      if (message.type === "started") started.resolve();
      else if (message.type === "error") fault = new PublishError(message.detail);
      else {
        ({ report } = message);
        child.done();
      }
    },
    onExit,
  });
  child.send({ type: "start", options } satisfies ToPublisher);
  const ask = (type: "stop" | "abort") => {
    child.send({ type } satisfies ToPublisher);
    return done.promise;
  };
  return {
    get pid() {
      return child.pid;
    },
    started: started.promise,
    done: done.promise,
    stop: () => ask("stop"),
    abort: () => ask("abort"),
    disconnect: () => child.send({ type: "disconnect" } satisfies ToPublisher),
    kill: () => child.kill(),
  };
}
