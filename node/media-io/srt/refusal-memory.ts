/** How long a refusal is told again to who comes back: encoders try every second or so. */
const REMEMBERED_MS = 5_000;
/** Of what passes by itself in a few seconds: who comes back must not wait longer than it lasts. */
const PASSING_MS = 2_000;
const passing = new Set(["PUBLISH_LEASE_HELD", "INGEST_BALANCER_AWAY"]);
const MAX_REMEMBERED = 1_000;

interface Refusal {
  readonly code: string;
  readonly untilMs: number;
}

/**
 * SRT can tell why only to who is not let in yet, and the balancer can be asked only about who is: so that a publisher
 * that was let in and then refused hears the reason when it tries again.
 */
export class RefusalMemory {
  readonly #refusals = new Map<string, Refusal>();

  /** `name`: undefined refuses whatever the address would publish. */
  keep(address: string, name: string | undefined, code: string, nowMs: number): void {
    if (this.#refusals.size >= MAX_REMEMBERED) this.#refusals.delete(this.#refusals.keys().next().value!);
    this.#refusals.set(keyOf(address, name), {
      code,
      untilMs: nowMs + (passing.has(code) ? PASSING_MS : REMEMBERED_MS),
    });
  }

  find(address: string, name: string, nowMs: number, isPublisher: boolean): string | undefined {
    // Whoever tries keys beside a viewer does not keep it out.
    for (const key of [...(isPublisher ? [keyOf(address, undefined)] : []), keyOf(address, name)]) {
      const refusal = this.#refusals.get(key);
      if (refusal !== undefined && refusal.untilMs > nowMs) return refusal.code;
      this.#refusals.delete(key);
    }
    return undefined;
  }
}

function keyOf(address: string, name: string | undefined): string {
  return name === undefined ? address : `${address} ${name}`;
}
