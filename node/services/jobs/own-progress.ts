import type { ProgressMessage } from "@leat/node/wire/media/message.ts";

const unsigned = new Uint8Array(0);

/** An origin's progress within its process. Its signature is made for other nodes, when the first of them reads it. */
export class OwnProgress implements ProgressMessage {
  readonly type = "progress";
  readonly atMs: number;
  readonly rung: number;
  readonly sequence: number;
  readonly parts: number;
  readonly signature = unsigned;
  #signed: Promise<ProgressMessage> | undefined;

  constructor({ atMs, rung, sequence, parts }: Omit<ProgressMessage, "type" | "signature">) {
    this.atMs = atMs;
    this.rung = rung;
    this.sequence = sequence;
    this.parts = parts;
  }

  /** As other nodes get it. `sign` is called once, whatever comes of it. */
  signed(sign: (progress: ProgressMessage) => Promise<Uint8Array>): Promise<ProgressMessage> {
    this.#signed ??= sign(this).then((signature) => {
      const { type, atMs, rung, sequence, parts } = this;
      return { type, atMs, rung, sequence, parts, signature };
    });
    return this.#signed;
  }
}
