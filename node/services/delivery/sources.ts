import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Origin } from "@leat/sdk/protocol/job.ts";

/** Whom an edge asks for its stream: the parents that the balancer named, the nearest first, and the origin last. */
export class Sources {
  #origin: Origin;
  #order: readonly Origin[];
  #at = 0;
  /** Not asked again, whoever names them. */
  readonly #passed = new Set<Address>();
  readonly #self: Address;

  constructor(self: Address, origin: Origin, parents: readonly Origin[] = []) {
    this.#self = self;
    this.#origin = origin;
    this.#order = [];
    this.set(origin, parents);
  }

  get origin(): Origin {
    return this.#origin;
  }

  get current(): Origin {
    return this.#order[this.#at] ?? this.#origin;
  }

  /** Whether there is another to ask. */
  get hasOthers(): boolean {
    return this.#order.length > 1;
  }

  /** The first of the new order is the current one. */
  set(origin: Origin, parents: readonly Origin[]): void {
    this.#origin = origin;
    const isAsked = ({ node }: Origin) => node !== this.#self && node !== origin.node && !this.#passed.has(node);
    this.#order = [...parents.filter(isAsked), origin];
    this.#at = 0;
  }

  /** The current one does not serve. Answers whether all were asked by now: the next is the first again. */
  advance(): boolean {
    this.#at = (this.#at + 1) % this.#order.length;
    return this.#at === 0;
  }

  /** The current one is asked no more. What it said, or kept back, is for the origin to say, who signs. */
  pass(): void {
    const { node } = this.current;
    if (node === this.#origin.node) return;
    this.#passed.add(node);
    this.#order = this.#order.filter((source) => source.node !== node);
    this.#at = this.#order.length - 1;
  }
}
