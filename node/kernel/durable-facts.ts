/** One fact to be put, or, with `value` undefined, deleted. */
export interface FactChange {
  readonly kind: string;
  readonly id: string;
  readonly value: unknown;
}

/**
 * Small facts that outlive a process, under a kind and an id: plain values with bigint, Map and Set. Durable when the
 * promise resolves. What a part must find again after a kill at any instant goes here before it is acted on.
 */
export interface DurableFacts {
  put(kind: string, id: string, value: unknown): Promise<void>;
  get(kind: string, id: string): Promise<unknown>;
  /** Ascending by id. */
  list(kind: string): Promise<[id: string, value: unknown][]>;
  delete(kind: string, id: string): Promise<void>;
  /** All of them or none. */
  change(changes: readonly FactChange[]): Promise<void>;
}
