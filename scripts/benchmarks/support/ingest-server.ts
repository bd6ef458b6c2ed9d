/** A server under test that takes streams in by RTMP and offers each by HLS. */
export interface IngestServer {
  readonly name: string;
  /** Its processes: these and all that they start are counted. */
  readonly pid: number;
  /** Addresses of that many streams, to be published to. */
  readonly urls: (count: number) => Promise<readonly string[]>;
  /** Resolves when every stream can be played. */
  readonly offered: () => Promise<void>;
  readonly stop: () => Promise<void>;
}
