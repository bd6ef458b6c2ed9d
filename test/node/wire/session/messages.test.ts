import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { MAX_RECEIPT_LEAVES, MAX_SESSION_MESSAGE_BYTES } from "@leat/sdk/protocol/limits.ts";
import fc from "fast-check";
import { createCodec, encodeValue } from "../../../../node/wire/cbor.ts";
import {
  balancerMethods,
  nodeMethods,
  type ReceiptSubmit,
  type VoucherRequest,
} from "../../../../node/wire/session/messages.ts";
import { testCodec } from "../../../suites/codec.ts";

const hex = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);
const uint32 = fc.nat(0xffff_ffff);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const uint128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const plain = { noNullPrototype: true } as const;
const refusals = ["WIRE_MESSAGE_INVALID", "WIRE_MESSAGE_TOO_LARGE"];

const receipts: fc.Arbitrary<ReceiptSubmit> = fc.record(
  {
    receipt: fc.record(
      {
        value: fc.record(
          {
            job: hex(32),
            seq: uint64,
            attempt: uint32,
            quoteHash: hex(32),
            inputHash: hex(32),
            outputRoot: hex(32),
            firstFrame: uint64,
            frames: uint32,
            durationMs: uint32,
            sizeBytes: uint64,
          },
          plain,
        ),
        signature: hex(65),
      },
      plain,
    ),
    leaves: fc.array(
      fc.record(
        { rung: uint32, part: uint32, frames: uint32, pixels: uint64, sizeBytes: uint64, sha256: hex(32) },
        plain,
      ),
      { maxLength: 5 },
    ),
    kind: fc.constantFrom("ingest", "transcode", "delivery"),
  },
  plain,
);

const vouchers: fc.Arbitrary<VoucherRequest> = fc.record(
  {
    channel: hex(32),
    seq: uint64,
    cumulative: uint128,
    receiptsRoot: hex(32),
    receiptHashes: fc.array(hex(32), { maxLength: 5 }),
    kind: fc.constantFrom("prepay", "usage", "final"),
  },
  plain,
);

testCodec({
  name: "receipt.submit",
  codec: createCodec(nodeMethods["receipt.submit"].request, MAX_SESSION_MESSAGE_BYTES),
  values: receipts,
  refusals,
});

testCodec({
  name: "voucher.request",
  codec: createCodec(balancerMethods["voucher.request"].request, MAX_SESSION_MESSAGE_BYTES),
  values: vouchers,
  refusals,
});

describe("session messages", () => {
  it("hold the largest receipt that is allowed", () => {
    const leaf = {
      rung: 99,
      part: 0xffff_ffff,
      frames: 0xffff_ffff,
      pixels: 2n ** 64n - 1n,
      sizeBytes: 2n ** 64n - 1n,
      sha256: `0x${"ab".repeat(32)}`,
    };
    const [submit] = fc.sample(receipts, 1);
    const largest = { ...submit!, leaves: new Array(MAX_RECEIPT_LEAVES).fill(leaf) };
    const codec = createCodec(nodeMethods["receipt.submit"].request, MAX_SESSION_MESSAGE_BYTES);
    const bytes = codec.encode(largest);
    assert.deepEqual(codec.decode(bytes), largest);
    assert.ok(
      encodeValue({ id: 0xffff_ffff, kind: "call", method: "receipt.submit", body: largest }).byteLength <=
        MAX_SESSION_MESSAGE_BYTES,
    );
  });
});
