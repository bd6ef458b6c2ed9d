import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";

/** What one holder sends, as a test gives it, until the edge leaves or the line breaks. */
export class HolderLine {
  readonly told: MediaMessage[] = [];
  readonly #sent: MediaMessage[] = [{ type: "accepted" }];
  #news = Promise.withResolvers<void>();
  #left: Error | undefined;

  say(...messages: readonly MediaMessage[]): void {
    this.#sent.push(...messages);
    this.#wake();
  }

  breakOff(): void {
    this.#leave(new Error("line broke"));
  }

  readonly connection = {
    send: async (message: MediaMessage) => void this.told.push(message),
    close: async () => {},
    abort: (error: Error) => this.#leave(error),
    messages: this.#read(),
  } as unknown as MediaConnection;

  async *#read(): AsyncGenerator<MediaMessage> {
    for (;;) {
      for (let next = this.#sent.shift(); next !== undefined; next = this.#sent.shift()) yield next;
      if (this.#left !== undefined) throw this.#left;
      await this.#news.promise;
    }
  }

  #leave(error: Error): void {
    this.#left ??= error;
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
