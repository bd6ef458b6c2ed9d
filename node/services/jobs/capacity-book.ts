import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { NodeCapacity } from "@leat/sdk/protocol/job.ts";
import { type Static, Type } from "typebox";

export const capacityOptions = Type.Object(
  {
    ingestStreams: Type.Integer({ default: 8, minimum: 0, description: "Streams that may be published here at once" }),
    transcodePixelsPerSecond: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          "Output pixels a second that this node encodes, of H.264: 1280x720 at 30 frames are 27,648,000; another codec counts by how much slower its encoder was measured. Not set: 60,000,000, or three fifths of what a chip's encoder makes where that is more",
      }),
    ),
    deliveryBytesPerSecond: Type.Integer({
      default: 125_000_000,
      minimum: 0,
      description: "Bytes a second that this node serves to viewers: 125,000,000 are 1 Gb/s",
    }),
    reservationMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      description: "How long reserved capacity waits for its job, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type SoldPrimitive = "ingest" | "transcode" | "delivery";

interface Reservation {
  readonly primitive: SoldPrimitive;
  /** Of work each second, which is paid. */
  readonly units: number;
  /** What that counts of the capacity. */
  readonly load: number;
  /** Undefined once the job was given. */
  readonly expiresAt: number | undefined;
}

/** What keeps up on a processor of two cores beside the rest of a node's work. */
const DEFAULT_PIXELS_PER_SECOND = 60_000_000;

const capacityNames = {
  ingest: "ingestStreams",
  transcode: "transcodePixelsPerSecond",
  delivery: "deliveryBytesPerSecond",
} as const;

/** What of this node is sold: the node itself grants capacity, so two balancers cannot both sell it. */
export class CapacityBook {
  readonly #options: Static<typeof capacityOptions>;
  readonly #reservations = new Map<Hex, Reservation>();
  #measuredPixels = 0;

  constructor(options: Static<typeof capacityOptions>) {
    this.#options = options;
  }

  /** What the node's encoders can sell, which holds where the operator did not say, and only if it is more than is usual. */
  noteTranscode(pixelsPerSecond: number): void {
    this.#measuredPixels = pixelsPerSecond;
  }

  /** When the reservation ends, or undefined where there is no room. Asking again for a job changes its units. */
  reserve(
    job: Hex,
    primitive: SoldPrimitive,
    { units, load = units }: { readonly units: number; readonly load?: number },
    nowMs: number,
  ): number | undefined {
    const held = this.#reservations.get(job);
    const own = held?.primitive === primitive ? held.load : 0;
    if (load > this.#free(primitive, nowMs) + own) return undefined;
    const expiresAt = nowMs + this.#options.reservationMs;
    this.#reservations.set(job, { primitive, units, load, expiresAt });
    return expiresAt;
  }

  has(job: Hex): boolean {
    return this.#reservations.has(job);
  }

  /** The job was given: its reservation stands until `release`. */
  confirm(job: Hex, primitive: SoldPrimitive): void {
    const none = primitive === "ingest" ? 1 : 0;
    const { units, load } = this.#reservations.get(job) ?? { units: none, load: none };
    this.#reservations.set(job, { primitive, units, load, expiresAt: undefined });
  }

  release(job: Hex): void {
    this.#reservations.delete(job);
  }

  /** Units of work that the job may do each second, in the unit that is paid: ingest is paid by the millisecond. */
  unitsPerSecond(job: Hex, primitive: SoldPrimitive): number {
    return primitive === "ingest" ? 1_000 : (this.#reservations.get(job)?.units ?? 0);
  }

  capacity(nowMs: number, offered: ReadonlySet<string>): NodeCapacity {
    const of = (primitive: SoldPrimitive) =>
      offered.has(primitive)
        ? { total: this.#total(primitive), free: Math.max(0, this.#free(primitive, nowMs)) }
        : { total: 0, free: 0 };
    return {
      ingestStreams: of("ingest"),
      transcodePixelsPerSecond: of("transcode"),
      deliveryBytesPerSecond: of("delivery"),
    };
  }

  #total(primitive: SoldPrimitive): number {
    return this.#options[capacityNames[primitive]] ?? Math.max(DEFAULT_PIXELS_PER_SECOND, this.#measuredPixels);
  }

  #free(primitive: SoldPrimitive, nowMs: number): number {
    let free = this.#total(primitive);
    for (const [job, reservation] of this.#reservations) {
      if (reservation.expiresAt !== undefined && reservation.expiresAt <= nowMs) this.#reservations.delete(job);
      else if (reservation.primitive === primitive) free -= reservation.load;
    }
    return free;
  }
}
