import assert from "node:assert/strict";
import { getAddress } from "viem";
import { parseDeployment } from "../../../sdk/protocol/deployment.ts";
import { toAddress } from "../../../sdk/protocol/hex.ts";
import { readTypedAddress } from "../../../sdk/protocol/typed-address.ts";

describe("an address that a person typed", () => {
  const addresses = Array.from({ length: 50 }, (_, index) =>
    toAddress(`0x${(0x1234_5678_9abc_def0n * BigInt(index + 1)).toString(16).padStart(40, "a7")}`),
  );

  it("is taken with its checksum, and without one in letters of one case", () => {
    for (const address of addresses) {
      for (const text of [getAddress(address), address, `0x${address.slice(2).toUpperCase()}`]) {
        assert.equal(readTypedAddress(text), address);
      }
    }
  });

  it("is refused with a wrong digit anywhere, also in a network's file", () => {
    const text = getAddress(addresses[0]!);
    for (let at = 2; at < text.length; at += 1) {
      const wrong = `${text.slice(0, at)}${text[at] === "1" ? "2" : "1"}${text.slice(at + 1)}`;
      assert.throws(() => readTypedAddress(wrong), { detail: { code: "ADDRESS_CHECKSUM_WRONG", value: wrong } });
    }
    const escrow = `${text.slice(0, -1)}${text.endsWith("1") ? "2" : "1"}`;
    assert.throws(() => parseDeployment({ chainId: 1, escrow }), { code: "ADDRESS_CHECKSUM_WRONG" });
  });
});
