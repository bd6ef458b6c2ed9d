import { networkOf } from "../../kernel/net/address-rate.ts";
import { PushError } from "./errors.ts";

/** More than a site that publishes has begin in one round trip of a balancer; who is refused tries again. */
const MAX_ASKED = 32;

/** How many keys the balancer is being asked about for each address: what they are worth is known only afterwards. */
export class KeysAsked {
  readonly #counts = new Map<string, number>();

  /** Until the returned function is called. @throws PUSH_KEYS_WAITING */
  enter(address: string): () => void {
    const network = networkOf(address);
    const count = this.#counts.get(network) ?? 0;
    if (count >= MAX_ASKED) throw new PushError({ code: "PUSH_KEYS_WAITING", limit: MAX_ASKED });
    this.#counts.set(network, count + 1);
    return () => this.#leave(network);
  }

  #leave(network: string): void {
    const left = this.#counts.get(network)! - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
  }
}
