import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { DeliveryJob, type DeliveryJobComponents } from "@leat/node/services/delivery/delivery-job.ts";
import { deliveryOptions } from "@leat/node/services/delivery/delivery-service.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { domain, publishSegments, rendition, signer, stream } from "../../../support/published-segments.ts";

const onWish: RenditionInfo = { rung: 2, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 1 };
const holders = ["0xfirst", "0xsecond"];
const segments = 40;

/** What one holder sends, as a test gives it, until the edge leaves. */
class Line {
  readonly told: MediaMessage[] = [];
  readonly #sent: MediaMessage[] = [{ type: "accepted" }];
  #news = Promise.withResolvers<void>();
  #left: Error | undefined;

  say(messages: readonly MediaMessage[]): void {
    this.#sent.push(...messages);
    this.#wake();
  }

  readonly connection = {
    send: async (message: MediaMessage) => void this.told.push(message),
    close: async () => {},
    abort: (error: Error) => {
      this.#left ??= error;
      this.#wake();
    },
    messages: this.#read(),
  };

  async *#read(): AsyncGenerator<MediaMessage> {
    for (;;) {
      for (let next = this.#sent.shift(); next !== undefined; next = this.#sent.shift()) yield next;
      if (this.#left !== undefined) throw this.#left;
      await this.#news.promise;
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

describe("a rung that is sent on wish alone", () => {
  let clock: ManualClock;
  let published: readonly (readonly MediaMessage[])[];
  let lines: { readonly holder: string; readonly line: Line }[];
  let failed: string[][];
  let job: DeliveryJob;
  let done: Promise<unknown>;
  let next: number;

  before(async () => {
    published = await publishSegments(segments);
  });

  beforeEach(async () => {
    clock = new ManualClock();
    [lines, failed, next] = [[], [], 0];
    const components = {
      clock,
      logger: silentLogger,
      keep: keepPart,
      domain,
      statements: nativeStatements,
      mayWork: () => "ok",
      report: { accepted: () => {}, failed: (node: string, code: string) => failed.push([node, code]) },
      media: {
        openMedia: async (_: unknown, holder: string) => {
          const line = new Line();
          lines.push({ holder, line });
          return line.connection;
        },
      },
    } as unknown as DeliveryJobComponents;
    const parents = holders.map((node) => ({ node, multiaddrs: [] }));
    const origin = { node: signer.address, multiaddrs: [] };
    const spec = { stream, slug: "slug", renditions: [rendition, onWish], origin, parents, depth: 2 };
    const assigned = { spec: { ...spec, unsignedBudgetBytes: 0n }, assignment: { value: { node: "0xedge" } } };
    job = new DeliveryJob(assigned as never, components, { ...defaultsOf(deliveryOptions), silenceMs: 30_000 });
    done = job.run();
    await clock.advance(0);
  });

  afterEach(async () => {
    await job.end();
    await done;
  });

  const current = () => lines.at(-1)!;
  /** The stream's next segments, of the picture alone, from whoever is asked now; answers who is asked then. */
  async function pass(count: number, ms = 0): Promise<string> {
    for (let left = count; left > 0; left -= 1) current().line.say(published[next++]!);
    await clock.advance(ms);
    return current().holder;
  }
  const follow = () => job.stream.frames.follow(2, { config() {}, frame() {}, takeBack() {}, end() {} });

  it("is asked of the next when a holder keeps it back, and of nobody else once the origin lacks it too", async () => {
    assert.equal(await pass(10, 20_000), "0xfirst");
    follow();
    assert.equal(await pass(4, 20_000), "0xfirst");
    assert.deepEqual(current().line.told.at(-1), { type: "wish", rungs: [2] });
    assert.equal(await pass(1), "0xsecond");
    await clock.advance(10_000);
    assert.equal(await pass(5), signer.address);
    assert.deepEqual(failed, [
      ["0xfirst", "DELIVERY_RUNG_WITHHELD"],
      ["0xsecond", "DELIVERY_RUNG_WITHHELD"],
    ]);
    await clock.advance(10_000);
    assert.equal(await pass(6), signer.address);
    job.change({ parents: [{ node: "0xsecond" as never, multiaddrs: [] }] } as never);
    await clock.advance(10_000);
    assert.equal(await pass(8, 10_000), "0xsecond");
    assert.equal(failed.length, 2);
  });
});
