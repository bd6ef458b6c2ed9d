import { createHash, createHmac } from "node:crypto";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { WatchedEdge } from "@leat/node/wire/session/messages.ts";
import { type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { cutPart } from "./cut-part.ts";
import { type Fetcher, findSegment, readVariants } from "./hls-reader.ts";

/** A transcoder's signed account of one segment, against which edges are compared. */
export interface Reference {
  readonly receiptHash: Hex;
  readonly sequence: number;
  readonly leaves: readonly PartLeaf[];
}

export type ProbeOutcome =
  | { readonly verdict: "passed"; readonly reference: Reference }
  | { readonly verdict: "failed"; readonly reference: Reference; readonly code: "EDGE_PART_DIFFERENT" }
  /** The edge never had the segment, or was not to be reached: no proof of anything. */
  | { readonly verdict: "unproven"; readonly code: "EDGE_SEGMENT_ABSENT" | "EDGE_UNREACHABLE" };

/** Looks that a difference waits for another attempt's receipt before it is looked at again. */
const CONFIRM_LOOKS = 4;
/** The most that an edge takes as one segment, by default: no more of one is held here. */
const MAX_SEGMENT_BYTES = 67_108_864;

export interface ProbeComponents {
  readonly fetcher: Fetcher;
  readonly clock: Clock;
  /** What nobody else knows: it fixes which parts are drawn. */
  readonly secret: Uint8Array;
}

export interface ProbeSettings {
  readonly lookEveryMs: number;
  readonly looks: number;
}

/**
 * One part of one rung. An edge that works with the transcoder knows the receipt: only the secret keeps it from serving
 * everything but the drawn parts falsely.
 */
export function drawPart(
  reference: Reference,
  edge: Hex,
  secret: Uint8Array,
): { leaf: PartLeaf; offset: number; rungBytes: number } {
  const video = reference.leaves.filter((leaf) => leaf.rung < 100);
  const digest = createHmac("sha256", secret)
    .update(hexToBytes(reference.receiptHash))
    .update(hexToBytes(edge))
    .digest();
  const leaf = video[digest.readUInt32BE(0) % video.length]!;
  const rung = video.filter((other) => other.rung === leaf.rung);
  const before = rung.filter((other) => other.part < leaf.part);
  return { leaf, offset: bytesOf(before), rungBytes: bytesOf(rung) };
}

/** Fetches the drawn part from an edge as a viewer does and compares its SHA-256 with the transcoder's leaf. */
export class EdgeProbe {
  readonly #components: ProbeComponents;
  readonly #settings: ProbeSettings;
  /** Variant of a rung at an edge, once it is known. */
  readonly #variants = new Map<string, string>();

  constructor(components: ProbeComponents, settings: ProbeSettings) {
    this.#components = components;
    this.#settings = settings;
  }

  /**
   * @param isSuperseded Whether another attempt's receipt has taken the reference's place meanwhile: a difference then
   * says nothing about the edge.
   */
  async probe(
    edge: WatchedEdge,
    reference: Reference,
    isSuperseded: () => boolean,
    signal: AbortSignal,
  ): Promise<ProbeOutcome> {
    const { leaf, offset, rungBytes } = drawPart(reference, edge.node, this.#components.secret);
    // Where two made the segment, the parts before are unsigned, and how many bytes they have is not known.
    const isRest = reference.leaves.every(({ part }) => part > 0);
    let reached = false;
    let differed = false;
    for (let look = 0; look < this.#settings.looks; look += 1) {
      if (look > 0) await this.#components.clock.sleep(this.#settings.lookEveryMs, signal);
      const sizeBytes = isRest ? undefined : rungBytes;
      const found = await this.#find(edge, reference.sequence, leaf.rung, sizeBytes, signal).catch((error) => {
        if (signal.aborted) throw error;
        return undefined;
      });
      if (found === undefined) continue;
      reached = true;
      if (found === "gone") return { verdict: "unproven", code: "EDGE_SEGMENT_ABSENT" };
      if (found === "later") continue;
      const bytes = isRest
        ? await this.#cutPart(found, leaf.part, signal)
        : await this.#fetch(found, offset, Number(leaf.sizeBytes), signal);
      if (bytes === undefined) continue;
      // An honest edge that lost its origin within the segment has no more of it.
      if (bytes === "short") return { verdict: "unproven", code: "EDGE_SEGMENT_ABSENT" };
      const sha256 = `0x${createHash("sha256").update(bytes).digest("hex")}`;
      if (sha256 === leaf.sha256) return { verdict: "passed", reference };
      if (isSuperseded()) return { verdict: "unproven", code: "EDGE_SEGMENT_ABSENT" };
      if (differed) return { verdict: "failed", reference, code: "EDGE_PART_DIFFERENT" };
      // Another attempt may have made what the edge serves, and its receipt be on its way.
      differed = true;
      await this.#components.clock.sleep(CONFIRM_LOOKS * this.#settings.lookEveryMs, signal);
    }
    return { verdict: "unproven", code: reached ? "EDGE_SEGMENT_ABSENT" : "EDGE_UNREACHABLE" };
  }

  async #cutPart(url: string, part: number, signal: AbortSignal): Promise<Uint8Array | "short" | undefined> {
    const segment = await this.#fetch(url, 0, MAX_SEGMENT_BYTES, signal);
    // A longer one proves nothing: where it was cut off is no fault of the edge.
    return segment === undefined || segment.length >= MAX_SEGMENT_BYTES ? undefined : cutPart(segment, part);
  }

  async #fetch(url: string, offset: number, length: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    try {
      return await this.#components.fetcher.range(url, offset, length, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined;
    }
  }

  /**
   * URL of the rung's segment at the edge. The signed data names rungs by number and playlists by name: the variant is
   * the one whose segment has the rung's size, and is remembered, so that another size later is a difference. Without a
   * size only one that is remembered is found.
   */
  async #find(
    edge: WatchedEdge,
    sequence: number,
    rung: number,
    rungBytes: number | undefined,
    signal: AbortSignal,
  ): Promise<string | "later" | "gone" | undefined> {
    const { fetcher } = this.#components;
    const key = `${edge.hls} ${rung}`;
    const known = this.#variants.get(key);
    if (known !== undefined) return this.#segmentIn(known, sequence, signal);
    const master = rungBytes === undefined ? undefined : await fetcher.text(edge.hls, signal);
    if (master === undefined) return undefined;
    let worst: "later" | "gone" = "gone";
    for (const variant of readVariants(master, edge.hls)) {
      const found = await this.#segmentIn(variant, sequence, signal);
      if (found === undefined || found === "gone") continue;
      if (found === "later") {
        worst = "later";
        continue;
      }
      if ((await fetcher.size(found, signal)) !== rungBytes) continue;
      this.#variants.set(key, variant);
      if (this.#variants.size > 10_000) this.#variants.delete(this.#variants.keys().next().value!);
      return found;
    }
    return worst;
  }

  async #segmentIn(variant: string, sequence: number, signal: AbortSignal) {
    const text = await this.#components.fetcher.text(variant, signal);
    if (text === undefined) return undefined;
    const found = findSegment(text, variant, sequence);
    if (typeof found === "string") return found;
    return found.gap ? "gone" : found.url;
  }
}

function bytesOf(leaves: readonly PartLeaf[]): number {
  return leaves.reduce((sum, leaf) => sum + Number(leaf.sizeBytes), 0);
}
