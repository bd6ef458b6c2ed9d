/** Works on one value at a time: of those that come meanwhile the newest alone is next. So a slow peer is owed one at most. */
export class NewestOnly<T> {
  readonly #work: (value: T) => Promise<void>;
  #next: { readonly value: T } | undefined;
  #isBusy = false;

  /** `work` rejects for bugs alone. */
  constructor(work: (value: T) => Promise<void>) {
    this.#work = work;
  }

  offer(value: T): void {
    this.#next = { value };
    if (!this.#isBusy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    try {
      for (let next = this.#next; next !== undefined; next = this.#next) {
        this.#next = undefined;
        await this.#work(next.value);
      }
    } finally {
      this.#isBusy = false;
    }
  }
}
