import assert from "node:assert/strict";
import type { PublicClient } from "viem";
import { findTokenDomain } from "../../../sdk/client/token-domain.ts";
import { hashDomain } from "../../../sdk/protocol/eip712.ts";
import type { Address } from "../../../sdk/protocol/hex.ts";

const token: Address = `0x${"70".repeat(20)}`;
const domain = { name: "USD Coin", version: "2", chainId: 31337, verifyingContract: token };
const told = ["0x0f", "USD Coin", "2", 31337n, token, "0x", []] as const;

describe("the domain of a token's signatures", () => {
  /** A token that answers these calls and has no others. */
  const find = (answers: Record<string, unknown>) => {
    const readContract = async ({ functionName }: { functionName: string }) => {
      if (functionName in answers) return answers[functionName];
      throw new Error("reverted");
    };
    return findTokenDomain({ readContract } as unknown as Pick<PublicClient, "readContract">, 31337, token);
  };
  const separatorOf = (change: Partial<typeof domain> = {}) => hashDomain({ ...domain, ...change });

  it("is what the token tells in one call, unless its own separator says otherwise", async () => {
    assert.deepEqual(await find({ eip712Domain: told }), domain);
    assert.deepEqual(await find({ eip712Domain: told, DOMAIN_SEPARATOR: separatorOf() }), domain);
    assert.equal(await find({ eip712Domain: told, DOMAIN_SEPARATOR: separatorOf({ version: "1" }) }), undefined);
  });

  it("is put together from name and version where the separator confirms it, and nowhere else", async () => {
    const names = { name: "USD Coin", version: "2" };
    assert.deepEqual(await find({ ...names, DOMAIN_SEPARATOR: separatorOf() }), domain);
    assert.deepEqual(await find({ name: "USD Coin", DOMAIN_SEPARATOR: separatorOf({ version: "1" }) }), {
      ...domain,
      version: "1",
    });
    assert.equal(await find({ ...names, DOMAIN_SEPARATOR: separatorOf({ chainId: 1 }) }), undefined);
    assert.equal(await find(names), undefined);
    assert.equal(await find({ version: "2", DOMAIN_SEPARATOR: separatorOf() }), undefined);
  });
});
