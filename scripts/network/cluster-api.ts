import { type ApiCaller, callApi } from "@leat/sdk/client/actions/streams.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

/** A stream as its owner reads it. */
export interface ToldStream {
  readonly id: string;
  readonly slug: string;
  readonly state: "created" | "live" | "ended";
  readonly token: string;
  readonly renditions: readonly RenditionInfo[];
  readonly source: {
    readonly video: { readonly codec: string; readonly width: number; readonly height: number };
  } | null;
  /** Frames and segments that came in. */
  readonly frames: string;
  readonly segments: number;
}

export interface ToldAttempt {
  readonly attempt: number;
  readonly node: string;
  readonly state: string;
  readonly selection: string;
  readonly checked: number;
  readonly failed: number;
  readonly endCode: string | null;
}

export interface ToldJob {
  readonly job: string;
  readonly primitive: string;
  /** `ingest`, a codec family, `primary` or `fallback`. */
  readonly part: string;
  readonly state: string;
  readonly attempts: readonly ToldAttempt[];
}

export interface ToldReceipt {
  readonly job: string;
  readonly attempt: number;
  readonly seq: number;
  readonly node: string;
  readonly kind: string;
  readonly proof: string;
  readonly receivedAtMs: number;
}

export function readStream(caller: ApiCaller, stream: string): Promise<ToldStream> {
  return callApi(caller, "GET", `/v1/streams/${stream}`);
}

export async function readJobs(caller: ApiCaller, stream: string): Promise<readonly ToldJob[]> {
  return (await callApi<{ jobs: readonly ToldJob[] }>(caller, "GET", `/v1/streams/${stream}/jobs`)).jobs;
}

const receiptsPerPage = 200;

/** Every receipt of a stream, page by page. */
export async function readReceipts(caller: ApiCaller, stream: string): Promise<readonly ToldReceipt[]> {
  const found: ToldReceipt[] = [];
  for (let after: number | undefined; ; after = found.at(-1)!.receivedAtMs) {
    const query = after === undefined ? "" : `&after=${after}`;
    const target = `/v1/streams/${stream}/receipts?limit=${receiptsPerPage}${query}`;
    const { receipts } = await callApi<{ receipts: readonly ToldReceipt[] }>(caller, "GET", target);
    found.push(...receipts);
    if (receipts.length < receiptsPerPage) return found;
  }
}
