import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { type Address, bytesToHex, type Hex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../../kernel/clock.ts";
import { BalancerError } from "./errors.ts";

export interface TicketFacts {
  readonly slug: string;
  readonly keyHash: Hex;
  /** Who alone may take the publisher. */
  readonly node: Address;
}

const SLUG_BYTES = 16;
const HASH_BYTES = 32;
const NODE_BYTES = 20;
const TIME_BYTES = 6;
const NONCE_BYTES = 12;
const MAC_BYTES = 16;
const BODY_BYTES = SLUG_BYTES + HASH_BYTES + NODE_BYTES + TIME_BYTES + NONCE_BYTES;

/**
 * Stands in for a stream key for seconds, once, at one node: what a publisher is sent to another origin with, where its
 * key shall not go. Only this process reads what it wrote; a ticket from before a restart is worth nothing.
 */
export class PublishTickets {
  readonly #secret = randomBytes(32);
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #lifetimeMs: number;
  /** Nonces of tickets that were used and are not over, with their ends, the oldest first. */
  readonly #used = new Map<string, number>();

  constructor(clock: Pick<Clock, "nowMs">, lifetimeMs: number) {
    this.#clock = clock;
    this.#lifetimeMs = lifetimeMs;
  }

  issue({ slug, keyHash, node }: TicketFacts): string {
    const body = Buffer.alloc(BODY_BYTES);
    body.set(Buffer.from(slug, "base64url").subarray(0, SLUG_BYTES));
    body.set(hexToBytes(keyHash), SLUG_BYTES);
    body.set(hexToBytes(node), SLUG_BYTES + HASH_BYTES);
    body.writeUIntBE(this.#clock.nowMs() + this.#lifetimeMs, SLUG_BYTES + HASH_BYTES + NODE_BYTES, TIME_BYTES);
    body.set(randomBytes(NONCE_BYTES), BODY_BYTES - NONCE_BYTES);
    return Buffer.concat([body, this.#mac(body)]).toString("base64url");
  }

  /**
   * Gives the hash of the key that it stands for, once.
   * @throws PUBLISH_TICKET_INVALID, _EXPIRED, _STREAM_WRONG, _NODE_WRONG, _USED
   */
  redeem(ticket: string, node: Address, slug: string): Hex {
    const bytes = Buffer.from(ticket, "base64url");
    const body = bytes.subarray(0, BODY_BYTES);
    const mac = bytes.subarray(BODY_BYTES);
    // Bits beyond the last byte would make a second spelling of the same ticket.
    const isOurs = mac.length === MAC_BYTES && timingSafeEqual(mac, this.#mac(body));
    if (!isOurs || bytes.toString("base64url") !== ticket) throw new BalancerError({ code: "PUBLISH_TICKET_INVALID" });
    const endsAtMs = body.readUIntBE(SLUG_BYTES + HASH_BYTES + NODE_BYTES, TIME_BYTES);
    const nowMs = this.#clock.nowMs();
    if (endsAtMs <= nowMs) throw new BalancerError({ code: "PUBLISH_TICKET_EXPIRED" });
    if (body.subarray(0, SLUG_BYTES).toString("base64url") !== slug) {
      throw new BalancerError({ code: "PUBLISH_TICKET_STREAM_WRONG" });
    }
    const granted = bytesToHex(body.subarray(SLUG_BYTES + HASH_BYTES, SLUG_BYTES + HASH_BYTES + NODE_BYTES));
    if (granted !== node.toLowerCase()) throw new BalancerError({ code: "PUBLISH_TICKET_NODE_WRONG" });
    const nonce = body.toString("latin1", BODY_BYTES - NONCE_BYTES);
    if (this.#used.has(nonce)) throw new BalancerError({ code: "PUBLISH_TICKET_USED" });
    this.#forget(nowMs);
    this.#used.set(nonce, endsAtMs);
    return bytesToHex(body.subarray(SLUG_BYTES, SLUG_BYTES + HASH_BYTES));
  }

  #forget(nowMs: number): void {
    for (const [nonce, endsAtMs] of this.#used) if (endsAtMs <= nowMs) this.#used.delete(nonce);
  }

  #mac(body: Uint8Array): Buffer {
    return createHmac("sha256", this.#secret)
      .update("leat.publish-ticket.1")
      .update(body)
      .digest()
      .subarray(0, MAC_BYTES);
  }
}
