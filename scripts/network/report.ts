/** The report of `scripts/up --demo`: described field by field in docs/operations/demo-report.md. */
export interface DemoReport {
  readonly ok: boolean;
  readonly stream: {
    readonly id: string;
    readonly slug: string;
    readonly ingestProtocol: "rtmp";
    readonly ingestNode: string;
    readonly sourceCodec: string;
    readonly width: number;
    readonly height: number;
    readonly framesSeen: number;
  };
  readonly renditions: readonly DemoRendition[];
  readonly playback: { readonly hls: string; readonly fallback: string | null; readonly page: string };
  readonly jobs: readonly DemoJob[];
  readonly payments: readonly DemoPayment[];
  /** The largest amount ever unpaid, per payee, in token base units. */
  readonly loss: readonly {
    readonly payee: string;
    readonly payer: string;
    readonly token: string;
    readonly largestUnpaid: string;
  }[];
  readonly timings: {
    /** From the start of the program. */
    readonly readyMs: number;
    /** From the publisher's start. */
    readonly firstSegmentMs: number | undefined;
    readonly firstRenditionPlayableMs: number | undefined;
    readonly publishedMs: number;
    readonly settledMs: number;
  };
  readonly memory: { readonly peakPssBytes: number };
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly node: string | null }[];
}

export interface DemoRendition {
  readonly name: string;
  readonly kind: "video" | "audio";
  readonly codec: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly segments: number;
  readonly frames: number;
  /** The node that made it. */
  readonly node: string;
}

export interface DemoJob {
  readonly job: string;
  readonly attempt: number;
  readonly primitive: string;
  readonly node: string;
  /** Empty where a publisher chose the node: an ingest job follows the publisher. */
  readonly selectionReceipt: string;
  readonly segments: number;
  readonly checked: number;
  readonly failed: number;
  /** Whether the work was proven by a check: ingest is paid unproven. */
  readonly proven: boolean;
}

export interface DemoPayment {
  readonly payer: string;
  readonly payee: string;
  readonly token: string;
  /** Base units of the token, as decimal text. */
  readonly vouchered: string;
  readonly collected: string;
  readonly transaction: string | null;
}
