import type {
  CreatedStream,
  PublishAddresses,
  StreamEstimate,
  StreamWarning,
} from "@leat/sdk/client/actions/streams.ts";
import { formatCost, formatCosts } from "./format-cost.ts";
import { renderTable } from "./output.ts";

export interface CreatedHow {
  /** By name. */
  readonly token: string;
  /** How its source is fetched, where it is not published. */
  readonly source: string | undefined;
  readonly budgetBytes: bigint;
}

const MINUTES = 60n;

/** An estimate in whole tokens, as decimal text. */
export function costsOf(estimate: StreamEstimate) {
  const [ingest, transcode] = [BigInt(estimate.ingestPerMinuteExact), BigInt(estimate.transcodePerMinuteExact)];
  const at = (times: bigint) => {
    const [ofIngest, ofTranscode] = formatCosts([ingest * times, transcode * times]);
    return { ingest: ofIngest!, transcode: ofTranscode!, together: formatCost((ingest + transcode) * times) };
  };
  return {
    perMinute: at(1n),
    perHour: at(MINUTES),
    deliveryPerGigabyte: formatCost(BigInt(estimate.deliveryPerGigabyteExact)),
    deliveryAtMost: formatCost(BigInt(estimate.deliveryMostExact)),
  };
}

/** Where to publish a new stream, where it plays, what it costs, and what may not be as it was meant. */
export function renderCreated(
  created: CreatedStream & { readonly frontDoorUrl: string },
  { token, source, budgetBytes }: CreatedHow,
): string {
  const { slug, playbackUrl, frontDoorUrl, estimate, warnings } = created;
  return [
    `stream ${slug}`,
    ...(source === undefined ? [...listIngest(created), `the best of them at any time: ${frontDoorUrl}`] : [source]),
    `plays at ${playbackUrl}`,
    "",
    renderCosts(estimate, token, budgetBytes),
    ...warnings.map((warning) => `\n${describeWarning(warning, token)}`),
  ].join("\n");
}

function renderCosts(estimate: StreamEstimate, token: string, budgetBytes: bigint): string {
  const { perMinute, perHour, deliveryPerGigabyte, deliveryAtMost } = costsOf(estimate);
  const works = ["ingest", "transcode", "together"] as const;
  const delivery = `delivery costs ${deliveryPerGigabyte} ${token} for a gigabyte, and at most`;
  return [
    `while it is live it costs about, in ${token}:`,
    renderTable(works.map((work) => ({ work, "a minute": perMinute[work], "an hour": perHour[work] }))),
    "reckoned at the dearest prices it may be charged, for pictures of 16:9, 30 a second where a rung does not say it;",
    "a smaller source costs less, a wider one or one of more pictures a second more",
    budgetBytes === 0n
      ? `${delivery} nothing: without --budget people can watch, and you pay for none of them: their node serves them for nothing, or has them pay by HTTP`
      : `${delivery} ${deliveryAtMost} ${token} in all: --budget ${budgetBytes}`,
  ].join("\n");
}

function describeWarning(warning: StreamWarning, token: string): string {
  if (warning.code === "STREAM_REGION_EMPTY") {
    const where = warning.regions.length === 0 ? "nowhere" : warning.regions.join(", ");
    return `${warning.code}: no node of the cluster is in ${warning.region}, nodes are in ${where}; the work is done there`;
  }
  if (warning.code === "STREAM_AGENT_ABSENT") {
    return [
      `${warning.code}: nobody is connected who signs vouchers for the account, and no publisher is let in before;`,
      "start the agent: scripts/leat start with the role buyer",
    ].join(" ");
  }
  const [budget, reserve] = [formatCost(BigInt(warning.budgetExact)), formatCost(BigInt(warning.reserveExact))];
  return [
    `${warning.code}: the budget is worth up to ${budget} ${token}, and ${reserve} are reserved;`,
    "the stream ends where the reserve does, add to it with leat buyer deposit or give a smaller --budget",
  ].join(" ");
}

/** A line for each address, the best of each protocol first. */
export function listIngest({ ingestUrls, whipUrls, pushUrls, srtUrls }: PublishAddresses): string[] {
  const list = (first: string, urls: readonly string[]) =>
    urls.map((url, at) => `${at === 0 ? first : "or, if that fails, to"} ${url}`);
  return [
    ...list("publish to", ingestUrls),
    ...list("by WHIP to", whipUrls),
    ...list("by HTTP push to", pushUrls),
    ...list("by SRT to", srtUrls),
  ];
}
