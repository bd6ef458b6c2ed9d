import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { MAX_SESSION_MESSAGE_BYTES } from "@leat/sdk/protocol/limits.ts";
import fc from "fast-check";
import { createCodec } from "../../../../node/wire/cbor.ts";
import { type KeepRequest, watchMethods } from "../../../../node/wire/watch/messages.ts";
import { testCodec } from "../../../suites/codec.ts";

const hex = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);
const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: 2n ** bits - 1n });
const plain = { noNullPrototype: true } as const;

const requests: fc.Arbitrary<KeepRequest> = fc.record(
  {
    vouchers: fc.array(
      fc.record(
        {
          value: fc.record(
            {
              payer: hex(20),
              payee: hex(20),
              token: hex(20),
              cluster: uint(256n),
              clusterPpm: fc.nat(0xffff_ffff),
              cumulative: uint(128n),
              seq: uint(64n),
              usageRoot: hex(32),
            },
            plain,
          ),
          signature: hex(65),
        },
        plain,
      ),
      { maxLength: 4 },
    ),
  },
  plain,
);

testCodec({
  name: "watch.keep",
  codec: createCodec(watchMethods["watch.keep"].request, MAX_SESSION_MESSAGE_BYTES),
  values: requests,
  refusals: ["WIRE_MESSAGE_INVALID", "WIRE_MESSAGE_TOO_LARGE"],
});
