import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { BalancerError } from "./errors.ts";
import type { LiveJob } from "./job-book.ts";
import type { PlaceInput, Placement } from "./placement.ts";
import type { BalancerComponents } from "./ports.ts";

/** Ingest nodes that a publisher may try. */
const INGEST_NODES = 2;

/** Chooses where a stream may be taken in. */
export class IngestNodes {
  readonly #components: Pick<BalancerComponents, "hub" | "logger">;
  readonly #placement: Placement;

  constructor(components: Pick<BalancerComponents, "hub" | "logger">, placement: Placement) {
    this.#components = components;
    this.#placement = placement;
  }

  /**
   * @param scheme Of the source that they must be able to fetch, where nobody publishes.
   * @param leftOut Who is not wanted, and why.
   * @throws PLACEMENT_NOBODY
   */
  async choose(
    stream: StreamRow,
    live: LiveJob,
    scheme: string | undefined,
    leftOut: PlaceInput["excluded"] = [],
  ): Promise<Address[]> {
    const chosen: Address[] = [];
    const unable = scheme === undefined ? leftOut : [...this.#listUnable(scheme), ...leftOut];
    for (let round = 0; round < INGEST_NODES && chosen.length < INGEST_NODES; round += 1) {
      const { nodes } = await this.#placement.rank({
        stream,
        live,
        spec: live.row.spec,
        units: 1,
        codecs: [],
        startSequence: 0,
        firstFrame: 0n,
        excluded: [...unable, ...chosen.map((node) => ({ node, reason: "CHOSEN" }))],
        holders: [],
      });
      chosen.push(...nodes.slice(0, INGEST_NODES - chosen.length));
      if (nodes.length === 0) break;
    }
    if (chosen.length === 0) throw new BalancerError({ code: "PLACEMENT_NOBODY", primitive: "ingest" });
    this.#components.logger.debug("Choose ingest nodes", { streamId: stream.id, nodes: chosen.join(",") });
    return chosen;
  }

  pulls(node: Address, scheme: string): boolean {
    return this.#components.hub.nodes.get(node)?.hello.pulls?.includes(scheme) === true;
  }

  /** Who is in session and fetches such sources. */
  listPulling(scheme: string): Address[] {
    return this.#list().filter((node) => this.pulls(node, scheme));
  }

  #listUnable(scheme: string): { node: Address; reason: string }[] {
    return this.#list()
      .filter((node) => !this.pulls(node, scheme))
      .map((node) => ({ node, reason: "PULL_UNSUPPORTED" }));
  }

  #list(): Address[] {
    const present = [...this.#components.hub.nodes.values()];
    return present.filter(({ hello }) => hello.roles.includes("ingest")).map(({ node }) => node);
  }
}
