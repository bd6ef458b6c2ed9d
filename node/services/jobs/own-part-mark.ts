import type { PartMarkMessage } from "@leat/node/wire/media/message.ts";
import type { PackedPart } from "./packed-segment.ts";

/**
 * A mark that never left this process, with the part that it stands for. No other node can send one, and none gets the
 * part: it is no field of the message.
 */
export class OwnPartMark implements PartMarkMessage {
  readonly type = "partMark";
  readonly rung: number;
  readonly sequence: number;
  readonly part: number;
  readonly runningHash: Uint8Array;
  readonly signature: Uint8Array;
  readonly #packed: PackedPart;

  constructor(mark: Omit<PartMarkMessage, "type" | "part">, packed: PackedPart) {
    this.rung = mark.rung;
    this.sequence = mark.sequence;
    this.part = packed.index;
    this.runningHash = mark.runningHash;
    this.signature = mark.signature;
    this.#packed = packed;
  }

  get packed(): PackedPart {
    return this.#packed;
  }
}
