import { networkOf } from "../../kernel/net/address-rate.ts";
import { WebrtcError } from "../webrtc/errors.ts";
import { WhepError } from "./errors.ts";

/** Viewers behind one address that connect at the same moment; a connection takes less than a second. */
const MAX_CONNECTING_PER_ADDRESS = 16;

export interface ViewerPlace {
  /** The viewer connected. @throws WEBRTC_SESSIONS_EXCEEDED where others were faster */
  open(): void;
  leave(): void;
}

/**
 * Places of viewers. An answer costs who asks for it nothing: those who do not connect are bounded by their address, and
 * take no place of those who watch.
 */
export class ViewerPlaces {
  readonly #limit: number;
  readonly #connecting = new Map<string, number>();
  #connectingCount = 0;
  #watching = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws WEBRTC_SESSIONS_EXCEEDED, WHEP_CONNECTING_EXCEEDED */
  take(address: string): ViewerPlace {
    const network = networkOf(address);
    if ((this.#connecting.get(network) ?? 0) >= MAX_CONNECTING_PER_ADDRESS) {
      throw new WhepError({ code: "WHEP_CONNECTING_EXCEEDED", limit: MAX_CONNECTING_PER_ADDRESS });
    }
    if (this.#connectingCount >= this.#limit) this.#refuse();
    this.#refuseFull();
    this.#connect(network, 1);
    let state: "connecting" | "watching" | "left" = "connecting";
    return {
      open: () => {
        if (state !== "connecting") return;
        this.#refuseFull();
        state = "watching";
        this.#connect(network, -1);
        this.#watching += 1;
      },
      leave: () => {
        if (state === "connecting") this.#connect(network, -1);
        else if (state === "watching") this.#watching -= 1;
        state = "left";
      },
    };
  }

  #connect(network: string, step: 1 | -1): void {
    this.#connectingCount += step;
    const count = (this.#connecting.get(network) ?? 0) + step;
    if (count === 0) this.#connecting.delete(network);
    else this.#connecting.set(network, count);
  }

  #refuseFull(): void {
    if (this.#watching >= this.#limit) this.#refuse();
  }

  #refuse(): never {
    throw new WebrtcError({ code: "WEBRTC_SESSIONS_EXCEEDED", limit: this.#limit });
  }
}
