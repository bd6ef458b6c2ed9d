import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AccessOptions, accessOptions, WebhookAsker } from "@leat/node/media-io/access/webhook.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { WebhookPolicy } from "@leat/sdk/protocol/playback.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const secret = "a secret of both".replaceAll(" ", "-");

interface Asked {
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly response: ServerResponse;
}

describe("playback webhook", () => {
  let server: Server;
  let clock: ManualClock;
  let asked: Asked[];
  let policy: WebhookPolicy;
  let answer: ((asked: Asked) => void) | undefined;
  const guarded = () => ({ id: "0xid", slug: "slug-slug", policy });
  const viewer = { token: "t1", address: "192.0.2.1", origin: "https://page.test", protocol: "hls" };

  before(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      const one = { body, headers: request.headers, response };
      asked.push(one);
      answer?.(one);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    clock = new ManualClock();
    asked = [];
    say({ allow: true });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/may`;
    policy = { type: "webhook", url, secret, keys: [] };
  });

  function say(value: unknown, status = 200) {
    answer = ({ response }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
  }
  const ask = (asker: WebhookAsker, more: Partial<typeof viewer> = {}) =>
    asker.ask(policy, guarded(), { ...viewer, ...more });
  const makeAsker = (options: Partial<AccessOptions> = {}) =>
    new WebhookAsker(
      { clock, logger: silentLogger },
      { ...defaultsOf(accessOptions), allowPrivateWebhooks: true, ...options },
    );

  it("tells the owner who wants to watch, under a signature over time and body", async () => {
    await ask(makeAsker());
    const [{ body, headers }] = asked as [Asked];
    const told = { stream: "0xid", slug: "slug-slug", ...viewer };
    assert.deepEqual(JSON.parse(body), told);
    const time = String(headers["leat-webhook-timestamp"]);
    assert.equal(time, String(clock.nowMs() / 1_000));
    const digest = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
    assert.equal(headers["leat-webhook-signature"], `v1=${digest}`);
    assert.match(String(headers["leat-webhook-id"]), /^[0-9a-f-]{36}$/);
  });

  it("keeps an answer for as long as it says and at most an hour, for this viewer alone", async () => {
    const asker = makeAsker();
    say({ allow: true, ttlSeconds: 10 });
    await ask(asker);
    await clock.advance(9_999);
    await ask(asker);
    assert.equal(asked.length, 1);
    await ask(asker, { token: "t2" });
    await ask(asker, { address: "192.0.2.2" });
    await ask(asker, { origin: "https://other.test" });
    assert.equal(asked.length, 4);
    say({ allow: true, ttlSeconds: 10 ** 9 });
    await clock.advance(1);
    await ask(asker);
    await clock.advance(3_600_000);
    await ask(asker);
    assert.equal(asked.length, 6);
  });

  it("refuses whom the owner refuses, by body and by status, and remembers it", async () => {
    const asker = makeAsker();
    say({ allow: false, ttlSeconds: 60 });
    await assert.rejects(ask(asker), { code: "PLAYBACK_WEBHOOK_REFUSED" });
    await assert.rejects(ask(asker), { code: "PLAYBACK_WEBHOOK_REFUSED" });
    assert.equal(asked.length, 1);
    say("no", 403);
    await assert.rejects(ask(asker, { token: "t2" }), { code: "PLAYBACK_WEBHOOK_REFUSED" });
  });

  it("lets nobody in where there is no answer that says so, unless the owner wants it", async () => {
    const asker = makeAsker({ webhookTimeoutMs: 100 });
    const silent = { code: "PLAYBACK_WEBHOOK_UNREACHABLE" };
    const answers: ((asked: Asked) => void)[] = [
      ({ response }) => response.writeHead(500).end(),
      ({ response }) => response.writeHead(302, { location: policy.url }).end(),
      ({ response }) => response.end("yes"),
      ({ response }) => response.end(JSON.stringify({ allow: "true" })),
      ({ response }) => response.end("x".repeat(10_000)),
      ({ response }) => response.destroy(),
      () => {},
    ];
    for (const [at, one] of answers.entries()) {
      answer = one;
      await assert.rejects(ask(asker, { token: `t${at}` }), silent, `answer ${at}`);
    }
    assert.equal(asked.length, answers.length);
    policy = { ...policy, failOpen: true };
    await ask(asker, { token: "t0" });
    // What failed is asked again soon: the owner's server may be back.
    say({ allow: false });
    await clock.advance(2_000);
    await assert.rejects(ask(asker, { token: "t0" }), { code: "PLAYBACK_WEBHOOK_REFUSED" });
  });

  it("does not reach into this machine's network", async () => {
    const asker = makeAsker({ allowPrivateWebhooks: false });
    await assert.rejects(ask(asker), { code: "PLAYBACK_WEBHOOK_UNREACHABLE" });
    policy = { ...policy, url: policy.url.replace("http:", "https:") };
    await assert.rejects(ask(asker), { code: "PLAYBACK_WEBHOOK_UNREACHABLE" });
    assert.equal(asked.length, 0);
  });

  it("judges an address as it would be asked there, and no name", async () => {
    const judge = (url: string, options = {}) => makeAsker(options).judge(new URL(url));
    const refused = { code: "PLAYBACK_WEBHOOK_ADDRESS_REFUSED" };
    for (const url of ["https://127.0.0.1/x", "https://10.0.0.1/", "https://[::1]/x", "https://0x7f000001/"]) {
      await assert.rejects(judge(url, { allowPrivateWebhooks: false }), refused, url);
      await judge(url);
    }
    await judge("https://localhost/", { allowPrivateWebhooks: false });
    await judge("http://owner.test/");
    const inClear = judge("http://owner.test/", { allowPrivateWebhooks: false });
    await assert.rejects(inClear, { code: "PLAYBACK_WEBHOOK_SCHEME_REFUSED" });
  });

  it("asks once for viewers who come together, and a few at a time", async () => {
    const asker = makeAsker({ webhooksAtOnce: 16 });
    const { promise: full, resolve: isFull } = Promise.withResolvers<void>();
    answer = () => {
      if (asked.length === 2) isFull();
    };
    const same = [ask(asker), ask(asker), ask(asker)];
    const others = Array.from({ length: 65 }, (_, at) => ask(asker, { token: `o${at}` }));
    await full;
    // Two run, 64 wait: one more is one too many.
    await assert.rejects(ask(asker, { token: "late" }), { code: "PLAYBACK_WEBHOOK_BUSY" });
    assert.equal(asked.length, 2);
    say({ allow: true });
    for (const one of asked.slice()) answer?.(one);
    await Promise.all([...same, ...others]);
    assert.equal(asked.length, 66);
  });

  it("asks about the streams of one buyer at so many places, whatever addresses it names", async () => {
    const asker = makeAsker({ webhooksAtOnce: 16 });
    const [slow, other] = [`0x${"aa".repeat(20)}`, `0x${"bb".repeat(20)}`] as const;
    const { promise: full, resolve: isFull } = Promise.withResolvers<void>();
    answer = () => {
      if (asked.length === 2) isFull();
    };
    const askOf = (buyer: typeof slow, at: number) => {
      const its = { ...policy, url: `${policy.url}/${at}`, buyer };
      return asker.ask(its, { id: `0x${at}`, slug: `slug-${at}`, policy: its }, viewer);
    };
    const slows = Array.from({ length: 16 }, (_, at) => askOf(slow, at));
    await full;
    say({ allow: true });
    await askOf(other, 16);
    assert.equal(asked.length, 3);
    for (const one of asked.slice(0, 2)) answer?.(one);
    await Promise.all(slows);
  });

  it("asks no more than a number of times a minute because of one address", async () => {
    const asker = makeAsker({ webhooksPerMinute: 2 });
    await ask(asker, { token: "a" });
    await ask(asker, { token: "b" });
    await assert.rejects(ask(asker, { token: "c" }), { code: "PLAYBACK_WEBHOOK_BUSY" });
    await ask(asker, { token: "a" });
    await ask(asker, { token: "c", address: "192.0.2.9" });
    assert.equal(asked.length, 3);
    // Where the viewer's own address is not known, that of the one that asks for it counts, and is told to nobody.
    const askFrom = (token: string) => asker.ask(policy, guarded(), { token, protocol: "play", from: "192.0.2.7" });
    await askFrom("a");
    await askFrom("b");
    await assert.rejects(askFrom("c"), { code: "PLAYBACK_WEBHOOK_BUSY" });
    assert.equal(JSON.parse(asked.at(-1)!.body).address, null);
    assert.ok(!asked.at(-1)!.body.includes("192.0.2.7"));
  });

  it("lets whom the owner let in stay while there is no place to ask again, for a minute and nobody else", async () => {
    const asker = makeAsker({ webhooksAtOnce: 1 });
    const busy = { code: "PLAYBACK_WEBHOOK_BUSY" };
    say({ allow: true, ttlSeconds: 10 });
    await ask(asker, { token: "in" });
    say({ allow: false, ttlSeconds: 10 });
    await assert.rejects(ask(asker, { token: "out" }), { code: "PLAYBACK_WEBHOOK_REFUSED" });
    await clock.advance(10_000);
    const held = await holdPlace(asker);
    await Promise.all([ask(asker, { token: "in" }), ask(asker, { token: "in" })]);
    await assert.rejects(ask(asker, { token: "out" }), busy);
    await assert.rejects(ask(asker, { token: "new" }), busy);
    await clock.advance(59_999);
    await ask(asker, { token: "in" });
    await clock.advance(1);
    await assert.rejects(ask(asker, { token: "in" }), busy);
    await held.leave();
    await assert.rejects(ask(asker, { token: "in" }), { code: "PLAYBACK_WEBHOOK_REFUSED" });
  });

  /** A viewer of another owner is asked about until it leaves. */
  async function holdPlace(asker: WebhookAsker) {
    const { promise, resolve } = Promise.withResolvers<Asked>();
    const before = answer;
    answer = resolve;
    const other = { ...policy, url: policy.url.replace("/may", "/other") };
    const asking = asker.ask(other, { id: "0xother", slug: "other", policy: other }, viewer);
    const held = await promise;
    answer = before;
    const leave = async () => {
      held.response.writeHead(200).end(JSON.stringify({ allow: true }));
      await asking;
    };
    return { leave };
  }
});
