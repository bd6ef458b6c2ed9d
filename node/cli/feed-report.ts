import { formatTime } from "@leat/sdk/base/format-time.ts";
import type { FeedInfo, JobInfo } from "@leat/sdk/client/actions/streams.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { ParentFault, ParentReason, WeighedHolder } from "@leat/sdk/selection/parents.ts";
import { describeHolderFault } from "../texts/holders.ts";

/** An edge that runs, and who feeds it. */
interface FedEdge {
  readonly part: string;
  readonly node: Address;
  readonly feed: FeedInfo;
}

const reasonWords: Readonly<Record<ParentReason, string>> = {
  NEAREST: "the nearest that had room",
  KEPT: "it had it from there, and nothing spoke against that",
  LAST_RESORT: "nobody had room: the origin feeds it until somebody does",
  OWN: "it is the origin itself",
};
const faultWords: Readonly<Record<ParentFault, string>> = {
  SELF: "is this node",
  REFUSED: "is not named to it",
  BELOW: "is no nearer to the origin than it",
  FULL: "feeds as many as it may",
};

/** Who feeds whom, from the origin outwards, and why. Nothing where no edge runs. */
export function describeTree(jobs: readonly FeedingJob[]): string[] {
  const edges = jobs.flatMap(({ part, attempts, feed = null }): FedEdge[] => {
    const node = attempts.find(({ state }) => state === "running")?.node;
    return feed === null || node === undefined ? [] : [{ part, node, feed }];
  });
  const [first] = edges;
  if (first === undefined) return [];
  const { origin } = first.feed;
  const left = new Set(edges);
  const lines = [`who feeds whom, with why; ${origin} is the origin`];
  const tell = (edge: FedEdge, indent: string) => {
    if (!left.delete(edge)) return;
    lines.push(`${indent}${edge.part} ${edge.node}${describeHolder(edge)}`);
    // An edge at the origin's own node has the stream where it is made; others of that node hang below the origin.
    if (edge.node !== origin)
      for (const other of edges) if (other.feed.holder === edge.node) tell(other, `${indent}  `);
  };
  const nodes = new Set(edges.map(({ node }) => node));
  for (const edge of edges) if (edge.feed.holder === origin || !nodes.has(edge.feed.holder)) tell(edge, "  ");
  // Whoever has it from one that has it from them, by words that crossed on their way.
  for (const edge of edges) tell(edge, "  ");
  return lines;
}

/** Who feeds one edge, what that was chosen by, and who is not asked. */
export function describeFeed(feed: FeedInfo): string[] {
  const { origin, holder, isConfirmed, parents, depth, choice, refused } = feed;
  const nameOf = (node: Address) => (node === origin ? `${node}, the origin` : node);
  const others = parents.filter((node) => node !== holder);
  return [
    `this edge serves now: ${isConfirmed ? "it has" : "it is to have"} the stream from ${nameOf(holder)}, by ${depth} ${depth === 1 ? "step" : "steps"}`,
    ...(others.length === 0 ? [] : [`  in its place it may ask ${others.join(", ")}, and the origin`]),
    ...(choice === null
      ? ["  it was chosen before the balancer started"]
      : [
          `  chosen at ${timeOf(choice.chosenAtMs)}: ${reasonWords[choice.reason]}`,
          ...(choice.weighed.length === 0 ? [] : ["  of those that had the stream, the cheapest first:"]),
          ...choice.weighed.map((weighed) => `    ${describeWeighed(weighed, origin)}`),
          ...(choice.more === 0 ? [] : [`    and ${choice.more} more`]),
        ]),
    ...refused.map(({ node, code, untilMs }) => {
      const until = untilMs === null ? "again" : `before ${timeOf(untilMs)}`;
      return `  ${node} is not named to it ${untilMs === null ? "ever " : ""}${until}: ${describeHolderFault(code)}`;
    }),
  ];
}

type FeedingJob = Pick<JobInfo, "part"> & {
  readonly attempts: readonly { readonly node: Address; readonly state: string }[];
  readonly feed?: FeedInfo | null;
};

function describeHolder({ feed: { origin, holder, isConfirmed, choice, refused } }: FedEdge): string {
  const from = holder === origin ? "the origin" : holder;
  const why = choice === null ? "chosen before the balancer started" : reasonWords[choice.reason];
  const past = refused.map(({ node, code }) => `; not ${node}, ${describeHolderFault(code)}`).join("");
  return ` from ${from}${isConfirmed ? "" : ", as it was told"}: ${why}${past}`;
}

function describeWeighed(
  { node, cost, terms: { rtt, distance, steps }, fault }: WeighedHolder,
  origin: Address,
): string {
  const parts = [
    ...(rtt > 0 ? [`round trips apart ${rtt}`] : []),
    ...(distance > 0 ? [`distance ${distance}`] : []),
    ...(steps > 0 ? [`steps to the origin ${steps}`] : []),
  ];
  const points = parts.length === 0 ? `${cost} points` : `${cost} points, ${parts.join(", ")}`;
  const name = node === origin ? `${node}, the origin,` : node;
  return `${name} costs ${points}${fault === undefined ? "" : `: ${faultWords[fault]}`}`;
}

function timeOf(ms: number): string {
  return formatTime(BigInt(Math.floor(ms / 1_000)));
}
