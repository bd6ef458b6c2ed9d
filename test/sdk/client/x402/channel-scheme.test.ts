import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { LeatChannelScheme } from "@leat/sdk/client/x402/channel-scheme.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { CHANNEL_SCHEME } from "@leat/sdk/protocol/x402.ts";
import {
  decodePaymentSignatureHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
} from "@x402/core/http";
import type { PaymentRequired } from "@x402/core/types";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

const USDC = 1_000_000n;
const network = "eip155:8453";
const key: Hex = `0x${"17".repeat(32)}`;
// Written as wallets write it, as the public packages know it.
const asset = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
const escrow: Hex = `0x${"e5".repeat(20)}`;
const url = "https://node.example/live/k3v9/240p/0.m4s";

interface Shown {
  readonly voucher: { readonly value: { readonly cumulative: string }; readonly signature: string };
  readonly topUp?: { readonly value: string; readonly salt: string };
}
type Said = { readonly held?: Shown["voucher"] | undefined; readonly reserve: bigint } | undefined;

/** A payee that says what the test wants, and keeps all that it is shown. */
class Payee {
  readonly shown: Shown[] = [];
  amount = USDC;
  /** What it says after it was shown the newest voucher. */
  say: (newest: Shown) => Said = () => undefined;
  /** Whether it says so with the media or with another refusal. */
  serves = true;

  readonly fetch: typeof fetch = async (input, init) => {
    const header = new Request(input, init).headers.get("payment-signature");
    if (header === null) return this.#refuse(undefined);
    const newest = decodePaymentSignatureHeader(header).payload as unknown as Shown;
    this.shown.push(newest);
    const said = this.say(newest);
    const extensions = said && {
      [CHANNEL_SCHEME]: { info: { held: said.held, reserve: said.reserve.toString(), collected: "0" } },
    };
    if (!this.serves) return this.#refuse(extensions);
    const settled = { success: true, transaction: "", network, ...(extensions && { extensions }) } as const;
    return new Response("media", { headers: { "payment-response": encodePaymentResponseHeader(settled) } });
  };

  /** All that it could collect from whoever showed it vouchers. */
  worth(): bigint {
    return this.shown.reduce((most, { voucher }) => {
      const total = BigInt(voucher.value.cumulative);
      return total > most ? total : most;
    }, 0n);
  }

  #refuse(extensions: Record<string, unknown> | undefined): Response {
    const required: PaymentRequired = {
      x402Version: 2,
      error: "payment_required",
      resource: { url, description: "", mimeType: "video/mp4" },
      accepts: [
        {
          scheme: CHANNEL_SCHEME,
          network,
          asset,
          payTo: `0x${"ab".repeat(20)}`,
          amount: this.amount.toString(),
          maxTimeoutSeconds: 300,
          extra: { name: "USD Coin", version: "2", escrow },
        },
      ],
      ...(extensions && { extensions }),
    };
    return new Response("{}", {
      status: 402,
      headers: { "payment-required": encodePaymentRequiredHeader(required) },
    });
  }
}

describe("LeatChannelScheme", () => {
  let payee: Payee;
  beforeEach(() => {
    payee = new Payee();
  });

  const payWith = (options: { reserveLimit?: bigint; raiseAtMost?: bigint } = {}) => {
    const own = { signer: privateKeyToAccount(key), escrow, asset, topUp: USDC, ...options } as const;
    const schemes = [{ network, client: new LeatChannelScheme(own) } as const];
    return wrapFetchWithPayment(payee.fetch, x402Client.fromConfig({ schemes, spendControls: false }));
  };
  const limit = /X402_CLIENT_RESERVE_LIMIT/;

  for (const serves of [true, false]) {
    const way = serves ? "serves" : "refuses all the same";
    it(`signs no more than its limit for a payee that ${way} and says that a huge reserve covers all`, async () => {
      payee.serves = serves;
      payee.say = ({ voucher }) => ({
        // The question is worth nothing, so no payee has a reason to hold it.
        held: voucher.value.cumulative === "0" ? undefined : voucher,
        reserve: 1_000_000n * USDC,
      });
      const pay = payWith();
      await pay(url);
      while (payee.worth() === 0n) await pay(url);
      await assert.rejects(pay(url), limit);
      await assert.rejects(pay(url), limit);
      assert.equal(payee.worth(), USDC);
      assert.ok(payee.shown.every(({ topUp }) => topUp === undefined));
    });
  }

  it("signs over nothing for a payee that never says how the channel stands", async () => {
    const pay = payWith();
    for (let request = 0; request < 5; request += 1) await pay(url);
    assert.equal(payee.shown.length, 5);
    assert.equal(payee.worth(), 0n);
  });

  it("signs no more than its limit for a payee that falls silent", async () => {
    payee.say = () => (payee.shown.length > 1 ? undefined : { reserve: 1_000_000n * USDC });
    const pay = payWith({ reserveLimit: 3n * USDC });
    for (let request = 0; request < 4; request += 1) await pay(url);
    await assert.rejects(pay(url), limit);
    assert.equal(payee.worth(), 3n * USDC);
  });

  it("tops up and signs up to its limit for a payee that says how it is, and no more", async () => {
    let reserve = 0n;
    let held: Shown["voucher"] | undefined;
    payee.amount = USDC / 4n;
    payee.say = ({ voucher, topUp }) => {
      const total = BigInt(voucher.value.cumulative);
      if (topUp !== undefined) reserve += BigInt(topUp.value);
      payee.serves = total > BigInt(held?.value.cumulative ?? "0") && total <= reserve;
      if (payee.serves) held = voucher;
      return { held, reserve };
    };
    const pay = payWith({ reserveLimit: 2n * USDC });
    for (let request = 0; request < 8; request += 1) assert.equal((await pay(url)).status, 200);
    await assert.rejects(pay(url), limit);
    assert.deepEqual([payee.worth(), reserve], [2n * USDC, 2n * USDC]);
    // Another object with the same key goes on from what the first one signed, with a limit of its own.
    const next = payWith({ reserveLimit: USDC });
    for (let request = 0; request < 4; request += 1) assert.equal((await next(url)).status, 200);
    await assert.rejects(next(url), limit);
    assert.deepEqual([payee.worth(), reserve], [3n * USDC, 3n * USDC]);
  });

  it("signs one top-up for requests that pay at once", async () => {
    payee.amount = 1_000n;
    payee.say = () => ({ reserve: 0n });
    const pay = payWith({ reserveLimit: 9n * USDC });
    await pay(url);
    assert.equal(payee.shown[0]!.topUp, undefined, "the question comes without one");
    await Promise.all([pay(url), pay(url), pay(url)]);
    const salts = payee.shown.slice(1).map(({ topUp }) => topUp!.salt);
    assert.equal(salts.length, 3);
    assert.equal(new Set(salts).size, 1);
  });

  it("pays on a public network by what the guide for buyers says, to the letter", async () => {
    const guide = await readFile(new URL("../../../../docs/buyers/pay-by-http.md", import.meta.url), "utf8");
    const snippet = guide.split("```ts\n").find((part) => part.includes("new LeatChannelScheme("))!;
    const body = snippet
      .slice(0, snippet.indexOf("```"))
      .replace(/^import (.*) from (".*");$/gm, "const $1 = await load($2);");
    const given = { x402Client, privateKeyToAccount, key, deployment: { escrow, tokens: { USDC: asset } } };
    const load = (name: string) => import(name);
    const run = new Function(...Object.keys(given), "load", `return (async () => { ${body}; return client; })();`);
    const client: x402Client = await run(...Object.values(given), load);
    payee.amount = 1_000n;
    payee.say = ({ topUp }) => ({ reserve: BigInt(topUp?.value ?? "0") });
    payee.serves = false;
    const pay = wrapFetchWithPayment(payee.fetch, client);
    await pay(url);
    assert.deepEqual(
      payee.shown.map(({ voucher, topUp }) => [voucher.value.cumulative, topUp?.value]),
      [
        ["0", undefined],
        ["10000", "1000000"],
      ],
    );
  });
});
