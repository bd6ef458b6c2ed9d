import type { JobInfo, PaymentInfo, StreamInfo } from "@leat/sdk/client/actions/streams.ts";
import { formatAmount } from "@leat/sdk/protocol/units.ts";
import type { TokenFacts } from "./channel-table.ts";
import { renderTable } from "./output.ts";

/** What the column of checks counts: it is not the number of segments, and people ask why. */
const aboutChecks = [
  "checked: of ingest nothing, which is paid unproven; of a codec the segments that the stream's origin compared with the",
  "source, which is the share of them that the cluster samples; of primary and fallback one part of each segment, fetched",
  "from that edge as a viewer would while it was there.",
].join("\n");

/** Who did what for a stream, and what was paid in whole tokens by their name. */
export function renderStream(
  {
    slug,
    state,
    frames,
    segments,
    pull,
    targets,
  }: Pick<StreamInfo, "slug" | "state" | "frames" | "segments" | "pull" | "targets">,
  jobs: readonly Pick<JobInfo, "part" | "attempts">[],
  payments: readonly PaymentInfo[],
  tokens: readonly TokenFacts[],
): string {
  const attempts = jobs.flatMap(({ part, attempts: all }) =>
    all.map(({ node, state: now, checked, failed, selection }) => ({
      part,
      node,
      state: now,
      checked,
      failed,
      selection,
    })),
  );
  const paid = payments.map(({ payer, payee, token, vouchered, collected }) => {
    const known = tokens.find((one) => one.token.toLowerCase() === token.toLowerCase());
    const show = (baseUnits: string) => formatAmount(BigInt(baseUnits), known?.decimals ?? 0);
    return {
      payer,
      payee,
      token: known?.name ?? `base units of ${token}`,
      vouchered: show(vouchered),
      collected: show(collected),
    };
  });
  return [
    `stream ${slug} is ${state}: ${frames} frames in ${segments} segments`,
    ...(pull === null
      ? []
      : [`pulled from ${pull.url}${pull.code === null ? "" : `, of which nothing comes: ${pull.code}`}`]),
    ...targets.map(({ name, url, code }) => `sent on to ${name} at ${url}${code === null ? "" : `, not now: ${code}`}`),
    ...(attempts.length === 0
      ? ["nobody works for it"]
      : [renderTable(attempts), aboutChecks, '"leat explain SELECTION" tells why that node']),
    ...(paid.length === 0 ? ["nothing is paid yet"] : [renderTable(paid)]),
  ].join("\n\n");
}
