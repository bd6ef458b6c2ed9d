import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { EventType, WebhookEvent } from "@leat/sdk/protocol/events.ts";

export interface Received {
  readonly event: WebhookEvent;
  readonly timestamp: string;
  readonly answered: number;
}

/** An account's server: checks every signature, remembers what it was told, and answers what the test says. */
export class WebhookReceiver {
  readonly secret = "sixteen-characters-and-more";
  readonly received: Received[] = [];
  /** The status of the next answers, and then 200. Undefined: none ever. */
  readonly answers: (number | undefined)[] = [];
  readonly #server: Server;
  readonly #waiting: { count: number; wake: () => void }[] = [];

  constructor() {
    this.#server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      const timestamp = String(request.headers["leat-webhook-timestamp"]);
      const digest = createHmac("sha256", this.secret).update(`${timestamp}.${body}`).digest("hex");
      assert.equal(request.headers["leat-webhook-signature"], `v1=${digest}`);
      const event = JSON.parse(body) as WebhookEvent;
      assert.equal(request.headers["leat-webhook-id"], event.id);
      const status = this.answers.length > 0 ? this.answers.shift() : 200;
      this.received.push({ event, timestamp, answered: status ?? 0 });
      if (status !== undefined) response.writeHead(status).end();
      for (const one of this.#waiting.splice(0)) {
        if (this.received.length >= one.count) one.wake();
        else this.#waiting.push(one);
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }

  get ids(): string[] {
    return this.received.map(({ event }) => event.id);
  }

  /** @param port Of one that listened before. */
  async start(port = 0): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The first of a kind, once it came. */
  async first(type: EventType): Promise<WebhookEvent> {
    for (;;) {
      const found = this.received.find(({ event }) => event.type === type);
      if (found !== undefined) return found.event;
      await this.until(this.received.length + 1);
    }
  }

  /** Resolves when so many came, those that came again counted. */
  async until(count: number): Promise<void> {
    if (this.received.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, wake: resolve });
    await promise;
  }
}
