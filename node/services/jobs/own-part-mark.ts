import type { PartMarkMessage } from "@leat/node/wire/media/message.ts";
import type { PackedPart } from "./packed-segment.ts";

const unsigned = new Uint8Array(0);

/**
 * A mark within the process of its origin, with the part that it stands for: no other node can send one, and none gets
 * the part, which is no field of the message. Its signature is made for other nodes, when the first of them reads it;
 * without one it cannot be encoded.
 */
export class OwnPartMark implements PartMarkMessage {
  readonly type = "partMark";
  readonly rung: number;
  readonly sequence: number;
  readonly part: number;
  readonly runningHash: Uint8Array;
  readonly signature = unsigned;
  /** Its segment ends behind it, with nothing in between. */
  readonly isLast: boolean;
  readonly #packed: PackedPart;
  #signed: Promise<PartMarkMessage> | undefined;

  constructor(
    { rung, sequence, runningHash }: Omit<PartMarkMessage, "type" | "part" | "signature">,
    packed: PackedPart,
    isLast: boolean,
  ) {
    this.rung = rung;
    this.sequence = sequence;
    this.part = packed.index;
    this.runningHash = runningHash;
    this.isLast = isLast;
    this.#packed = packed;
  }

  get packed(): PackedPart {
    return this.#packed;
  }

  /** As other nodes get it. `sign` is called once, whatever comes of it. */
  signed(sign: (mark: PartMarkMessage) => Promise<Uint8Array>): Promise<PartMarkMessage> {
    this.#signed ??= sign(this).then((signature) => {
      const { type, rung, sequence, part, runningHash } = this;
      return { type, rung, sequence, part, runningHash, signature };
    });
    return this.#signed;
  }
}
