import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { bytesToHex, type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { partHashStructure } from "@leat/sdk/protocol/signed.ts";
import type { StatementSigner } from "@leat/sdk/protocol/statements.ts";

/** How an origin signs what it says of a stream. */
export interface OriginSigning {
  readonly stream: Hex;
  readonly signer: StatementSigner;
  readonly domain: Domain;
}

/** What a mark or an end is signed over, along with its stream. */
export interface HashPlace {
  readonly rung: number;
  readonly sequence: number;
  /** Of an end: how many parts there are. */
  readonly part: number;
  readonly runningHash: Uint8Array;
}

/**
 * What an origin says, within its process. Its signature is made for other nodes, when the first of them reads it; without
 * one it cannot be encoded.
 */
export abstract class OwnMessage<Sent extends MediaMessage> {
  #signed: Promise<Sent> | undefined;

  /** As other nodes get it. It is signed once, whatever comes of that. */
  signed(signing: OriginSigning): Promise<Sent> {
    this.#signed ??= this.sign(signing).then((signature) => this.withSignature(hexToBytes(signature)));
    return this.#signed;
  }

  protected abstract sign(signing: OriginSigning): Promise<Hex>;

  protected abstract withSignature(signature: Uint8Array): Sent;
}

export function signHash({ stream, signer, domain }: OriginSigning, place: HashPlace): Promise<Hex> {
  const { rung, sequence, part, runningHash } = place;
  const value = { stream, rung, seq: BigInt(sequence), part, runningHash: bytesToHex(runningHash) };
  return signer.sign(partHashStructure, domain, value);
}
