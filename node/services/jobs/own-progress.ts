import type { ProgressMessage } from "@leat/node/wire/media/message.ts";
import { progressStructure } from "@leat/sdk/protocol/signed.ts";
import { type OriginSigning, OwnMessage } from "./own-message.ts";

const unsigned = new Uint8Array(0);

/** An origin's progress within its process. */
export class OwnProgress extends OwnMessage<ProgressMessage> implements ProgressMessage {
  readonly type = "progress";
  readonly atMs: number;
  readonly rung: number;
  readonly sequence: number;
  readonly parts: number;
  readonly signature = unsigned;

  constructor({ atMs, rung, sequence, parts }: Omit<ProgressMessage, "type" | "signature">) {
    super();
    this.atMs = atMs;
    this.rung = rung;
    this.sequence = sequence;
    this.parts = parts;
  }

  protected sign({ stream, signer, domain }: OriginSigning) {
    const { atMs, rung, sequence, parts } = this;
    const value = { stream, atMs: BigInt(atMs), rung, seq: BigInt(sequence), parts };
    return signer.sign(progressStructure, domain, value);
  }

  protected withSignature(signature: Uint8Array): ProgressMessage {
    const { type, atMs, rung, sequence, parts } = this;
    return { type, atMs, rung, sequence, parts, signature };
  }
}
