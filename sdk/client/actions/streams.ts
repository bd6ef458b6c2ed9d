import { CodedError } from "../../base/errors.ts";
import { signApiRequest } from "../../protocol/api-request.ts";
import { createDomain } from "../../protocol/eip712.ts";
import type { HealthFault, SourceHealth } from "../../protocol/health.ts";
import { type Address, bytesToHex, type Hex } from "../../protocol/hex.ts";
import type { LadderRequest, SourceSummary } from "../../protocol/job.ts";
import type { PartLeaf } from "../../protocol/merkle.ts";
import type { PlaybackRequest } from "../../protocol/playback.ts";
import type { PullRequest, PullWhen } from "../../protocol/pull.ts";
import type { ReceiptKind, ReceiptProof } from "../../protocol/receipt-proof.ts";
import type { RestreamTarget } from "../../protocol/restream.ts";
import type { CheckResult, Receipt } from "../../protocol/signed.ts";
import type { Signed, StatementSigner } from "../../protocol/statements.ts";
import type { RenditionInfo } from "../../protocol/stream.ts";
import type { ParentSummary } from "../../selection/parents.ts";
import type { LeatClient } from "../create-client.ts";
import { type AccountSigner, toStatementSigner } from "../signer.ts";

/** The cluster's API refused, or could not be asked. `reason` is the cluster's own code. */
export class ApiError extends CodedError<
  { code: "API_REFUSED"; reason: string; status: number } | { code: "API_UNREACHABLE"; url: string }
> {}

/** Who asks: every call of a stream's owner is signed by its key, or by whatever signer the client was made with. */
export interface ApiCaller {
  readonly client: Pick<LeatClient, "clusterUrl" | "deployment">;
  /** Whose API answers at `clusterUrl`: no other cluster takes what is signed for this one. */
  readonly cluster: bigint;
  readonly signer: StatementSigner | AccountSigner;
  /** In whose name, where the signer is a key that this account allotted; default the signer's own. */
  readonly account?: Address;
}

export interface StreamRequest {
  /** Or the name of one: codecs joined by "+", as `h264+vp9`, each in the usual sizes. */
  readonly ladder: LadderRequest | string;
  /** Deliver the picture as it comes in, too, beside the ladder or with an empty one. */
  readonly passthrough?: boolean;
  /** What everything is paid in. */
  readonly token: Address;
  /** Most bytes that are paid for viewers that cannot sign; 0 by default. */
  readonly unsignedBudgetBytes?: bigint;
  /** Most that the buyer pays for a unit, exact amounts as decimal text, by unit. */
  readonly priceCeilings?: Readonly<Record<string, string>>;
  readonly region?: string;
  /** Who may watch; default everybody. */
  readonly playback?: PlaybackRequest;
  /** Where the cluster shall fetch it, where nobody publishes it. */
  readonly pull?: PullRequest;
  /** Servers that it is sent on to. */
  readonly targets?: readonly RestreamTarget[];
}

/** Where to publish with a key. A publisher tries the next address when one fails. */
export interface PublishAddresses {
  /** Shown this once. */
  readonly streamKey: string;
  /** By RTMP. The key is in them. */
  readonly ingestUrls: readonly string[];
  /** The same by WHIP, where a browser or a program without RTMP publishes. */
  readonly whipUrls: readonly string[];
  /** The same for segments by HTTP push, as a Livepeer gateway takes them: what stands before `/NUMBER.ts`. */
  readonly pushUrls: readonly string[];
  /** The same by SRT, each with its passphrase. The key is in none of them, but whoever has one can publish. */
  readonly srtUrls: readonly string[];
}

export interface CreatedStream extends PublishAddresses {
  readonly id: Hex;
  readonly slug: string;
  readonly playbackUrl: string;
  readonly estimate: StreamEstimate;
  /** What was taken all the same, and may not be what was meant. */
  readonly warnings: readonly StreamWarning[];
}

/**
 * About what a stream costs at the dearest prices that it was promised. Amounts are 10^-30 of a whole token, as decimal text;
 * pixels are guessed: 16:9, 30 pictures a second where a rung does not say it.
 */
export interface StreamEstimate {
  readonly ingestPerMinuteExact: string;
  readonly transcodePerMinuteExact: string;
  readonly deliveryPerGigabyteExact: string;
  /** In all: what the budget for viewers that cannot sign pays for. */
  readonly deliveryMostExact: string;
}

export type StreamWarning =
  /** No node stands in the region: work is done in others. */
  | { readonly code: "STREAM_REGION_EMPTY"; readonly region: string; readonly regions: readonly string[] }
  /** The reserve ends before the budget does. */
  | { readonly code: "STREAM_BUDGET_ABOVE_RESERVE"; readonly budgetExact: string; readonly reserveExact: string }
  /** Nobody is connected who signs vouchers for the account: no publisher is let in before somebody is. */
  | { readonly code: "STREAM_AGENT_ABSENT" };

/** A stream as its owner reads it. Integers that may pass 2^53 are decimal text. */
export interface StreamInfo {
  readonly id: Hex;
  readonly slug: string;
  readonly state: "created" | "live" | "ended";
  readonly token: Address;
  readonly playbackUrl: string;
  /** Who may watch; what is secret of it is left out. */
  readonly playback: { readonly type: "public" | "jwt" | "webhook" };
  /** Its source, without what is secret of its address, and why nothing came of it last; null where it is published. */
  readonly pull: { readonly url: string; readonly when: PullWhen; readonly code: string | null } | null;
  /** Servers that it is sent on to, without their keys, and why nothing is sent to one now; null where something is. */
  readonly targets: readonly TargetInfo[];
  /** How what is published comes in, by its ingest node; null while nothing is. */
  readonly health: HealthInfo | null;
  /** Why nobody does a part of it, as far as that was tried since the balancer started. */
  readonly refusals: readonly RefusalInfo[];
  /** Who watches, and what viewers got, as its edges say: nobody is paid by it. */
  readonly audience: AudienceInfo;
  readonly renditions: readonly RenditionInfo[];
  /** Whether the picture as it comes in was asked for: of VP8 there is no such rung. */
  readonly passthrough: boolean;
  /** What is published; null before the first time. */
  readonly source: SourceSummary | null;
  /** Pictures and segments that came in. */
  readonly frames: string;
  readonly segments: number;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Why it ended; null before. */
  readonly endCode: string | null;
}

/** All edges of a stream together, since it was made. */
export interface AudienceInfo {
  readonly viewers: number;
  /** The most at once. */
  readonly peakViewers: number;
  /** Milliseconds since 1970; null where nobody ever watched. */
  readonly peakAtMs: number | null;
  /** Of the stream, all viewers together, milliseconds as decimal text. */
  readonly watchedMs: string;
  /** As decimal text. */
  readonly servedBytes: string;
}

export interface RefusalInfo {
  /** `ingest`, a codec family, `primary` or `fallback`. */
  readonly part: string;
  readonly code: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export interface HealthInfo extends SourceHealth {
  /** "poor" where `faults` says why. */
  readonly state: "good" | "poor";
  readonly faults: readonly HealthFault[];
  /** When the node told it, milliseconds since 1970. */
  readonly heardAtMs: number;
}

export interface TargetInfo {
  readonly name: string;
  readonly url: string;
  readonly rung: string | null;
  readonly code: string | null;
}

export interface AttemptInfo {
  readonly attempt: number;
  readonly node: Address;
  readonly state: string;
  /** Id of the selection receipt: why this node. */
  readonly selection: Hex;
  readonly checked: number;
  readonly failed: number;
  readonly endCode: string | null;
  readonly cost: CostInfo;
}

/** What an attempt costs the buyer, by its receipts. Amounts are 10^-30 of a whole token, as decimal text. */
export interface CostInfo {
  readonly receipts: number;
  /** In the unit of its price: milliseconds, output pixels, bytes. */
  readonly paidUnits: string;
  /** Vouchered, or with the next voucher. */
  readonly dueExact: string;
  /** Until it is checked and reported. */
  readonly waitingExact: string;
  /** Bad, or never checked: nobody pays for it. */
  readonly droppedExact: string;
}

export interface JobInfo {
  readonly job: Hex;
  readonly primitive: "ingest" | "transcode" | "delivery";
  /** `ingest`, a codec family, `primary` or `fallback`. */
  readonly part: string;
  readonly state: string;
  readonly attempts: readonly AttemptInfo[];
  /** Of an edge that serves the stream now: who feeds it; null else. */
  readonly feed: FeedInfo | null;
}

/** Who feeds an edge, and why that one. */
export interface FeedInfo {
  readonly origin: Address;
  /** From whom it has the stream: as it said, or until then whom it was told to ask first. */
  readonly holder: Address;
  /** It said so itself. */
  readonly isConfirmed: boolean;
  /** Whom it may ask, in this order, before the origin. */
  readonly parents: readonly Address[];
  /** Steps to the origin. */
  readonly depth: number;
  /** What that was chosen by: the cheapest of those that had the stream, in points; null where the balancer started since. */
  readonly choice: (ParentSummary & { readonly chosenAtMs: number }) | null;
  /** Who is not named to it, since it did not serve it; `untilMs` null: never again. */
  readonly refused: readonly { readonly node: Address; readonly code: string; readonly untilMs: number | null }[];
}

export interface ReceiptInfo {
  readonly hash: Hex;
  readonly job: Hex;
  readonly attempt: number;
  readonly seq: number;
  readonly node: Address;
  readonly kind: ReceiptKind;
  /** What its node signed, and the parts that it counted, amounts as decimal text. */
  readonly receipt: Signed<AsText<Receipt>>;
  readonly leaves: readonly AsText<PartLeaf>[];
  /** In the unit of its price; fewer are paid where a budget ended. */
  readonly units: string;
  readonly paidUnits: string;
  /** What the buyer pays for it: 10^-30 of a whole token. */
  readonly retailExact: string;
  readonly proof: ReceiptProof;
  /** What the stream's origin, or who signs for its buyer, signed of it. */
  readonly checks: readonly CheckInfo[];
  /** Nobody checks it any more, and nobody is paid for it. */
  readonly writtenOff: boolean;
  readonly receivedAtMs: number;
}

export interface CheckInfo {
  /** Why it did not pass. */
  readonly code: string | null;
  readonly statement: Signed<AsText<CheckResult>>;
}

/** As JSON carries it. */
export type AsText<T> = { readonly [K in keyof T]: T[K] extends bigint ? string : T[K] };

export interface PaymentInfo {
  readonly payer: Address;
  readonly payee: Address;
  readonly token: Address;
  /** Base units of the token. */
  readonly vouchered: string;
  readonly collected: string;
  /** The transaction that collected last. */
  readonly transaction: Hex | null;
}

/** What an address says that is no balancer's: another program, another node of ours, or one with a path too many. */
const noApi: ReadonlySet<string> = new Set(["ROUTE_UNKNOWN", "UNKNOWN"]);

/** Calls the cluster's API as an account. `T` is what the route answers. @throws ApiError */
export async function callApi<T>(
  { client, cluster, signer, account }: ApiCaller,
  method: "GET" | "POST",
  target: string,
  options: { readonly body?: unknown; readonly idempotencyKey?: string } = {},
): Promise<T> {
  const text = options.body === undefined ? "" : JSON.stringify(options.body, bigintAsText);
  const body = new TextEncoder().encode(text);
  const { chainId, escrow } = client.deployment;
  const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  const issuedAt = BigInt(Math.floor(Date.now() / 1_000));
  const domain = createDomain(chainId, escrow);
  const authorization = await signApiRequest(
    toStatementSigner(signer),
    domain,
    { method, target, body },
    { cluster, issuedAt, nonce, account },
  );
  const url = `${client.clusterUrl}${target}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        authorization,
        accept: "application/json",
        ...(text === "" ? {} : { "content-type": "application/json" }),
        ...(options.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey }),
      },
      ...(text === "" ? {} : { body: text }),
    });
  } catch (cause) {
    throw new ApiError({ code: "API_UNREACHABLE", url }, { cause, message: `no answer from ${url}` });
  }
  const answer = (await response.json().catch(() => undefined)) as { error?: { code: string; message: string } };
  if (response.ok) return answer as T;
  const reason = answer?.error?.code ?? "UNKNOWN";
  const said = answer?.error?.message ?? "it said nothing that can be read";
  const todo = noApi.has(reason) ? `; look at the cluster's address ${client.clusterUrl}: it is no balancer's` : "";
  const message = `the cluster refused (${reason}, ${response.status}): ${said}${todo}`;
  throw new ApiError({ code: "API_REFUSED", reason, status: response.status }, { message });
}

/** The most that the API gives at once. */
const rowsPerPage = 200;

/**
 * Creates a stream. Where the answer was lost, the same idempotency key asks again without making a second one.
 * @param idempotencyKey Default: a new one, so that each call makes a stream.
 */
export function createStream(
  caller: ApiCaller,
  request: StreamRequest,
  idempotencyKey: string = crypto.randomUUID(),
): Promise<CreatedStream> {
  // The buyer's part of every seed that places this stream's jobs: the balancer cannot know it beforehand.
  const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  return callApi(caller, "POST", "/v1/streams", { body: { ...request, nonce }, idempotencyKey });
}

/** Every stream of the account, newest first. A page is asked for when it is needed. */
export async function* listStreams(caller: ApiCaller): AsyncGenerator<StreamInfo, void, undefined> {
  let before = "";
  for (;;) {
    const target = `/v1/streams?limit=${rowsPerPage}${before}`;
    const { streams } = await callApi<{ streams: readonly StreamInfo[] }>(caller, "GET", target);
    yield* streams;
    const last = streams.at(-1);
    if (last === undefined || streams.length < rowsPerPage) return;
    before = `&before=${last.createdAtMs}.${last.id}`;
  }
}

export function getStream(caller: ApiCaller, id: string): Promise<StreamInfo> {
  return callApi(caller, "GET", pathOf(id));
}

/** The stream's jobs with every attempt: who did what, by which decision. */
export async function listJobs(caller: ApiCaller, id: string): Promise<readonly JobInfo[]> {
  return (await callApi<{ jobs: readonly JobInfo[] }>(caller, "GET", `${pathOf(id)}/jobs`)).jobs;
}

/** Every receipt of a stream, newest first, page by page as far as they are read. */
export async function* listReceipts(caller: ApiCaller, id: string): AsyncGenerator<ReceiptInfo, void, undefined> {
  for (let before = ""; ; ) {
    const target = `${pathOf(id)}/receipts?limit=${rowsPerPage}${before}`;
    const { receipts } = await callApi<{ receipts: readonly ReceiptInfo[] }>(caller, "GET", target);
    yield* receipts;
    const last = receipts.at(-1);
    if (last === undefined || receipts.length < rowsPerPage) return;
    before = `&before=${last.receivedAtMs}.${last.hash}`;
  }
}

/**
 * The buyer's channel to the cluster, and the cluster's to every node that worked for the stream: all that ever went
 * through them, for other streams too. What this stream cost stands in its jobs.
 */
export async function listPayments(caller: ApiCaller, id: string): Promise<readonly PaymentInfo[]> {
  return (await callApi<{ payments: readonly PaymentInfo[] }>(caller, "GET", `${pathOf(id)}/payments`)).payments;
}

/** Ends a stream at once, whoever publishes. */
export function endStream(caller: ApiCaller, id: string): Promise<StreamInfo> {
  return callApi(caller, "POST", `${pathOf(id)}/end`, { body: {} });
}

/** Changes who may watch, at once: also for those who watch now. */
export function setPlayback(caller: ApiCaller, id: string, playback: PlaybackRequest): Promise<StreamInfo> {
  return callApi(caller, "POST", `${pathOf(id)}/playback`, { body: playback });
}

/** Has a stream sent on to these servers in place of those before. An empty list ends it. */
export function setTargets(caller: ApiCaller, id: string, targets: readonly RestreamTarget[]): Promise<StreamInfo> {
  return callApi(caller, "POST", `${pathOf(id)}/targets`, { body: { targets } });
}

/**
 * A new key to publish with, beside the old ones or, with `revokeOld`, in their place. Whoever publishes now goes on,
 * and with `revokeOld` is cut off.
 */
export function rotateStreamKey(caller: ApiCaller, id: string, revokeOld: boolean): Promise<PublishAddresses> {
  return callApi(caller, "POST", `${pathOf(id)}/keys`, { body: { revokeOld } });
}

function pathOf(id: string): string {
  return `/v1/streams/${encodeURIComponent(id)}`;
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
