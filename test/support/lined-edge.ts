import { nativeStatements } from "@leat/node/kernel/secp.ts";
import {
  DeliveryJob,
  type DeliveryJobComponents,
  type DeliveryLimits,
} from "@leat/node/services/delivery/delivery-job.ts";
import { deliveryOptions } from "@leat/node/services/delivery/delivery-service.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { defaultsOf } from "./defaults.ts";
import { HolderLine } from "./holder-line.ts";
import { ManualClock } from "./manual-clock.ts";
import { domain, rendition, signer, stream } from "./published-segments.ts";

export interface LinedEdgeOptions {
  readonly depth?: number;
  readonly renditions?: readonly RenditionInfo[];
  readonly published?: number;
  readonly limits?: Partial<DeliveryLimits>;
}

/** An edge below others, of whom a test says what each of them sends and when. */
export class LinedEdge {
  readonly clock = new ManualClock();
  /** Whom it asked, in turn. */
  readonly lines: { readonly holder: string; readonly line: HolderLine }[] = [];
  /** Whom it left, and why. */
  readonly failed: string[][] = [];
  readonly job: DeliveryJob;
  readonly #done: Promise<unknown>;

  constructor(
    parents: readonly string[],
    { depth = 2, renditions = [rendition], published, limits }: LinedEdgeOptions,
  ) {
    const components = {
      clock: this.clock,
      logger: silentLogger,
      keep: keepPart,
      domain,
      statements: nativeStatements,
      mayWork: () => "ok",
      report: { accepted: () => {}, failed: (node: string, code: string) => this.failed.push([node, code]) },
      media: {
        openMedia: async (_: unknown, holder: string) => {
          const line = new HolderLine();
          this.lines.push({ holder, line });
          return line.connection;
        },
      },
    } as unknown as DeliveryJobComponents;
    const named = parents.map((node) => ({ node, multiaddrs: [] }));
    const origin = { node: signer.address, multiaddrs: [] };
    const spec = { stream, slug: "slug", renditions, origin, parents: named, depth, unsignedBudgetBytes: 0n };
    const assigned = { spec: { ...spec, published }, assignment: { value: { node: "0xedge" } } };
    this.job = new DeliveryJob(assigned as never, components, { ...defaultsOf(deliveryOptions), ...limits });
    this.#done = this.job.run();
  }

  /** Whom it asks now. */
  get current(): { readonly holder: string; readonly line: HolderLine } {
    return this.lines.at(-1)!;
  }

  async stop(): Promise<void> {
    await this.job.end();
    await this.#done;
  }
}
