import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { MAX_SKEW_SECONDS, requireAccount } from "@leat/node/http/auth.ts";
import { httpOptions } from "@leat/node/http/options.ts";
import { createServer } from "@leat/node/http/server.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { AllottedDelegates } from "@leat/node/services/payment/delegates.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { signApiRequest } from "@leat/sdk/protocol/api-request.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { nobleStatements } from "@leat/sdk/protocol/statements.ts";
import type { FastifyInstance } from "fastify";
import { MemoryChannelView } from "../../support/channel-view.ts";
import { defaultsOf } from "../../support/defaults.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const domain = createDomain(31_337, `0x${"ab".repeat(20)}`);
const [cluster, usdc, cold] = [1, 2, 3].map((byte) => `0x${`0${byte}`.repeat(20)}`) as [Address, Address, Address];
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(7));

interface Changes {
  body?: string;
  sentBody?: string;
  url?: string;
  sentUrl?: string;
  issuedAt?: bigint;
  nonce?: Hex;
  chainId?: number;
  account?: Address;
}

describe("http/auth", () => {
  let app: FastifyInstance;
  /** Another cluster's, of the same deployment. */
  let other: FastifyInstance;
  let clock: ManualClock;
  let chain: MemoryChannelView;
  beforeEach(async () => {
    clock = new ManualClock();
    chain = new MemoryChannelView(0n);
    const delegates = new AllottedDelegates({ chain, clock, payee: cluster, tokens: [usdc] });
    const serverOf = async (id: bigint) => {
      const server = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
      await server.register(
        async (group) => {
          requireAccount(group, { domain, cluster: id, statements: nativeStatements, delegates, clock });
          group.post("/streams", async (request) => ({ account: request.account }));
          group.get("/streams", async (request) => ({ account: request.account }));
        },
        { prefix: "/v1" },
      );
      return server;
    };
    app = await serverOf(7n);
    other = await serverOf(8n);
  });
  afterEach(async () => {
    await app.close();
    await other.close();
  });

  async function post(changes: Changes = {}) {
    const { body = '{"a":1}', url = "/v1/streams?x=1", nonce = bytesToHex(randomBytes(32)) } = changes;
    const issuedAt = changes.issuedAt ?? BigInt(Math.floor(clock.nowMs() / 1_000));
    const signedFor = createDomain(changes.chainId ?? domain.chainId, domain.verifyingContract);
    const parts = { method: "POST", target: url, body: new TextEncoder().encode(body) };
    const authorization = await signApiRequest(signer, signedFor, parts, { cluster: 7n, issuedAt, nonce, ...changes });
    return app.inject({
      method: "POST",
      url: changes.sentUrl ?? url,
      payload: changes.sentBody ?? body,
      headers: { authorization, "content-type": "application/json" },
    });
  }

  async function refusal(changes: Changes): Promise<[number, string]> {
    const response = await post(changes);
    return [response.statusCode, response.json().error?.code];
  }

  it("lets a signed request through as its account", async () => {
    const response = await post();
    assert.deepEqual([response.statusCode, response.json()], [200, { account: signer.address }]);
  });

  it("lets nobody make a request to one cluster again at another one", async () => {
    const parts = { method: "POST", target: "/v1/streams", body: new TextEncoder().encode("{}") };
    const issuedAt = BigInt(Math.floor(clock.nowMs() / 1_000));
    const facts = { cluster: 7n, issuedAt, nonce: bytesToHex(randomBytes(32)) };
    const authorization = await signApiRequest(signer, domain, parts, facts);
    const headers = { authorization, "content-type": "application/json" };
    const send = (server: FastifyInstance, changed = headers) =>
      server.inject({ method: "POST", url: "/v1/streams", payload: "{}", headers: changed });
    const answers = [await send(other), await send(app)];
    assert.deepEqual(
      answers.map((answer) => [answer.statusCode, answer.json().error?.code]),
      [
        [401, "AUTH_CLUSTER_WRONG"],
        [200, undefined],
      ],
    );
    // Nor by writing the other one's number over it.
    const json = JSON.parse(Buffer.from(authorization.slice(5), "base64url").toString());
    const forged = Buffer.from(JSON.stringify({ ...json, cluster: "8" })).toString("base64url");
    const refused = await send(other, { ...headers, authorization: `Leat ${forged}` });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [401, "AUTH_SIGNATURE_WRONG"]);
  });

  it("takes a signed request without a body", async () => {
    const parts = { method: "GET", target: "/v1/streams", body: new Uint8Array() };
    const issuedAt = BigInt(Math.floor(clock.nowMs() / 1_000));
    const authorization = await signApiRequest(signer, domain, parts, {
      cluster: 7n,
      issuedAt,
      nonce: bytesToHex(randomBytes(32)),
    });
    const response = await app.inject({ url: "/v1/streams", headers: { authorization } });
    assert.deepEqual(response.json(), { account: signer.address });
  });

  it("refuses a request that is not signed, or badly", async () => {
    const none = await app.inject("/v1/streams");
    assert.deepEqual([none.statusCode, none.json().error.code], [401, "AUTH_MISSING"]);
    for (const authorization of ["Bearer x", "Leat ", "Leat e30", `Leat ${"A".repeat(5_000)}`]) {
      const response = await app.inject({ url: "/v1/streams", headers: { authorization } });
      assert.deepEqual([response.statusCode, response.json().error.code], [401, "API_REQUEST_HEADER_INVALID"]);
    }
  });

  it("refuses another body, path or network than was signed", async () => {
    assert.deepEqual(await refusal({ sentBody: '{"a":2}' }), [401, "AUTH_REQUEST_MISMATCH"]);
    assert.deepEqual(await refusal({ sentUrl: "/v1/streams?x=2" }), [401, "AUTH_REQUEST_MISMATCH"]);
    assert.deepEqual(await refusal({ chainId: 1 }), [401, "AUTH_SIGNATURE_WRONG"]);
  });

  it("lets a key act for the account that allotted it a channel to this cluster, until that ends", async () => {
    const channel = hubChannel(cold, cluster, usdc);
    const nowSeconds = BigInt(Math.floor(clock.nowMs() / 1_000));
    assert.deepEqual(await refusal({ account: cold }), [401, "AUTH_SIGNATURE_WRONG"]);
    chain.allot(hubChannel(cold, signer.address, usdc), signer.address, { cap: 1n, validUntil: nowSeconds + 60n });
    assert.deepEqual(await refusal({ account: cold }), [401, "AUTH_SIGNATURE_WRONG"]);
    chain.allot(channel, signer.address, { cap: 1n, validUntil: nowSeconds + 60n });
    assert.deepEqual((await post({ account: cold })).json(), { account: cold });
    // Both in one account's name: what one used is used up for the other.
    const nonce = bytesToHex(randomBytes(32));
    assert.equal((await post({ account: cold, nonce })).statusCode, 200);
    assert.deepEqual(await refusal({ account: cold, nonce }), [401, "AUTH_REPLAYED"]);
    await clock.advance(60_000);
    assert.deepEqual(await refusal({ account: cold }), [401, "AUTH_SIGNER_ENDED"]);
    assert.equal((await post()).statusCode, 200);
  });

  it("says of a malformed or malleable signature that it is one", async () => {
    const parts = { method: "GET", target: "/v1/streams", body: new Uint8Array() };
    const issuedAt = BigInt(Math.floor(clock.nowMs() / 1_000));
    const good = await signApiRequest(signer, domain, parts, {
      cluster: 7n,
      issuedAt,
      nonce: bytesToHex(randomBytes(32)),
    });
    const json = JSON.parse(Buffer.from(good.slice(5), "base64url").toString()) as { signature: string };
    const s = order - BigInt(`0x${json.signature.slice(66, 130)}`);
    const mirror = `${json.signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${json.signature.endsWith("1b") ? "1c" : "1b"}`;
    for (const signature of [mirror, json.signature.slice(0, -4), `${json.signature}00`, "0x"]) {
      const authorization = `Leat ${Buffer.from(JSON.stringify({ ...json, signature })).toString("base64url")}`;
      const response = await app.inject({ url: "/v1/streams", headers: { authorization } });
      assert.deepEqual([response.statusCode, response.json().error.code], [401, "AUTH_SIGNATURE_INVALID"]);
    }
  });

  it("takes a request within the skew of the clock and none beyond", async () => {
    const now = BigInt(Math.floor(clock.nowMs() / 1_000));
    const skew = BigInt(MAX_SKEW_SECONDS);
    for (const [issuedAt, status] of [
      [now - skew, 200],
      [now + skew, 200],
      [now - skew - 1n, 401],
      [now + skew + 1n, 401],
      [2n ** 63n, 401],
    ] as const) {
      assert.equal((await post({ issuedAt })).statusCode, status, String(issuedAt - now));
    }
  });

  it("takes a signed request once, for as long as it could be used again", async () => {
    const nonce = bytesToHex(randomBytes(32));
    const issuedAt = BigInt(Math.floor(clock.nowMs() / 1_000) + MAX_SKEW_SECONDS);
    assert.equal((await post({ nonce, issuedAt })).statusCode, 200);
    for (let at = 0; at <= 2 * MAX_SKEW_SECONDS; at += 100) {
      // Another request in between lets the guard sweep.
      assert.equal((await post()).statusCode, 200);
      assert.deepEqual(await refusal({ nonce, issuedAt }), [401, "AUTH_REPLAYED"], `after ${at} s`);
      await clock.advance(100_000);
    }
    assert.deepEqual(await refusal({ nonce, issuedAt }), [401, "AUTH_EXPIRED"]);
  });
});
