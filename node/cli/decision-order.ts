import type { AttemptInfo, JobInfo } from "@leat/sdk/client/actions/streams.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";

/** Who was drawn by a decision, the cheapest first. */
export type DrawnOrder = readonly Address[];

type OrderedJob = Pick<JobInfo, "part"> & { readonly attempts: readonly Pick<AttemptInfo, "node" | "selection">[] };

/** A report must not wait for what only makes it clearer. */
const ANSWER_WITHIN_MS = 3_000;
/** Of a stream that was published anew for days the newest decisions will do. */
const MOST_DECISIONS = 20;

/** The drawn orders of the decisions by which a stream was taken in, as far as the balancer still shows them. */
export async function fetchOrders(
  clusterUrl: string,
  jobs: readonly OrderedJob[],
): Promise<ReadonlyMap<Hex, DrawnOrder>> {
  const ingest = jobs.filter(({ part }) => part === "ingest").flatMap(({ attempts }) => attempts);
  const ids = [...new Set(ingest.map(({ selection }) => selection))].slice(-MOST_DECISIONS);
  const orders = new Map<Hex, DrawnOrder>();
  await Promise.all(
    ids.map(async (id) => {
      try {
        const url = `${clusterUrl}/v1/selections/${id}`;
        const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
        if (!response.ok) return;
        const { body } = (await response.json()) as { readonly body: string };
        orders.set(
          id,
          bodyFromText(body).drawn.map(({ node }) => node),
        );
      } catch {
        // A decision that is gone, or that no program of this version wrote: its line is left out.
      }
    }),
  );
  return orders;
}

/**
 * A stream may be published to the first two of one decision: an attempt of the second has the same decision as one of the
 * first, and its winner is the other node. One sentence for each node and reason.
 */
export function describePlaces(jobs: readonly OrderedJob[], orders: ReadonlyMap<Hex, DrawnOrder>): string[] {
  const sentences = jobs.flatMap(({ part, attempts }) =>
    attempts.flatMap(({ node, selection }, at) => {
      const order = part === "ingest" ? orders.get(selection) : undefined;
      const place = order?.indexOf(node) ?? -1;
      if (order === undefined || place < 1) return [];
      const had = new Set(attempts.slice(0, at).map((attempt) => attempt.node));
      const before = order.slice(0, place);
      const first = place === 1 ? "the first" : "those before it";
      const why = before.every((one) => had.has(one))
        ? `after ${first} had the stream`
        : `though ${first} did not have the stream: its publisher chose it`;
      return [`${node}: ${nameOrdinal(place)} of the drawn order of its decision, used ${why}`];
    }),
  );
  return [...new Set(sentences)];
}

/** 0 is "first". */
export function nameOrdinal(place: number): string {
  return ["first", "second", "third", "fourth", "fifth"][place] ?? `number ${place + 1}`;
}
