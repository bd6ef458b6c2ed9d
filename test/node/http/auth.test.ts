import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { MAX_SKEW_SECONDS, requireAccount } from "@leat/node/http/auth.ts";
import { httpOptions } from "@leat/node/http/options.ts";
import { createServer } from "@leat/node/http/server.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { signApiRequest } from "@leat/sdk/protocol/api-request.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import { nobleStatements } from "@leat/sdk/protocol/statements.ts";
import type { FastifyInstance } from "fastify";
import { defaultsOf } from "../../support/defaults.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const domain = createDomain(31_337, `0x${"ab".repeat(20)}`);
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(7));

interface Changes {
  body?: string;
  sentBody?: string;
  url?: string;
  sentUrl?: string;
  issuedAt?: bigint;
  nonce?: Hex;
  chainId?: number;
}

describe("http/auth", () => {
  let app: FastifyInstance;
  let clock: ManualClock;
  beforeEach(async () => {
    clock = new ManualClock();
    app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
    await app.register(
      async (group) => {
        requireAccount(group, { domain, statements: nativeStatements, clock });
        group.post("/streams", async (request) => ({ account: request.account }));
        group.get("/streams", async (request) => ({ account: request.account }));
      },
      { prefix: "/v1" },
    );
  });
  afterEach(() => app.close());

  async function post(changes: Changes = {}) {
    const { body = '{"a":1}', url = "/v1/streams?x=1", nonce = bytesToHex(randomBytes(32)) } = changes;
    const issuedAt = changes.issuedAt ?? BigInt(Math.floor(clock.nowMs() / 1_000));
    const signedFor = createDomain(changes.chainId ?? domain.chainId, domain.verifyingContract);
    const parts = { method: "POST", target: url, body: new TextEncoder().encode(body) };
    const authorization = await signApiRequest(signer, signedFor, parts, issuedAt, nonce);
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

  it("takes a signed request without a body", async () => {
    const parts = { method: "GET", target: "/v1/streams", body: new Uint8Array() };
    const issuedAt = BigInt(Math.floor(clock.nowMs() / 1_000));
    const authorization = await signApiRequest(signer, domain, parts, issuedAt, bytesToHex(randomBytes(32)));
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
