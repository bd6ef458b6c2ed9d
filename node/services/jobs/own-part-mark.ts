import type { PartMarkMessage } from "@leat/node/wire/media/message.ts";
import { type OriginSigning, OwnMessage, signHash } from "./own-message.ts";
import type { PackedPart } from "./packed-segment.ts";

const unsigned = new Uint8Array(0);

/**
 * A mark within the process of its origin, with the part that it stands for: no other node can send one, and none gets
 * the part, which is no field of the message.
 */
export class OwnPartMark extends OwnMessage<PartMarkMessage> implements PartMarkMessage {
  readonly type = "partMark";
  readonly rung: number;
  readonly sequence: number;
  readonly part: number;
  readonly runningHash: Uint8Array;
  readonly signature = unsigned;
  /** Its segment ends behind it, with nothing in between. */
  readonly isLast: boolean;
  readonly #packed: PackedPart;

  constructor(
    { rung, sequence, runningHash }: Omit<PartMarkMessage, "type" | "part" | "signature">,
    packed: PackedPart,
    isLast: boolean,
  ) {
    super();
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

  protected sign(signing: OriginSigning) {
    return signHash(signing, this);
  }

  protected withSignature(signature: Uint8Array): PartMarkMessage {
    const { type, rung, sequence, part, runningHash } = this;
    return { type, rung, sequence, part, runningHash, signature };
  }
}
