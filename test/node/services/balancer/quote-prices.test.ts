import assert from "node:assert/strict";
import { quotePrices } from "@leat/node/services/balancer/quote-prices.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import { codeOf } from "../../../support/fake-market.ts";

const token: Address = `0x${"77".repeat(20)}`;
const prices = [{ token, prices: { ingestMs: 10n, pixelH264: 20n, pixelAv1: 50n, deliveredByte: 30n } }];
const ladder: LadderRequest = [
  { name: "480p", codec: "h264", height: 480, videoBitrate: 1_000_000, audioBitrate: 64_000 },
  { name: "480p-av1", codec: "av1", height: 480, videoBitrate: 500_000, audioBitrate: 64_000 },
];
const request = { ladder, token, ceilings: {} };

describe("what a stream is quoted", () => {
  it("is priced by the codec, at what the dearest node asks that encodes it", () => {
    const dearer = [{ token, prices: { ...prices[0]!.prices, pixelAv1: 80n } }];
    const sellers = [
      { primitives: ["ingest", "transcode", "delivery"], codecs: ["h264", "av1"], prices },
      // Names a price for what it cannot encode.
      { primitives: ["transcode"], codecs: ["h264"], prices: dearer },
    ] as const;
    assert.deepEqual(quotePrices(sellers, request, 0), prices[0]!.prices);
  });

  it("is refused by the codec's name where no node that sells transcoding encodes it at a price", () => {
    const unpriced = [{ token, prices: { ingestMs: 10n, pixelH264: 20n, deliveredByte: 30n } }];
    for (const sellers of [
      [{ primitives: ["ingest", "transcode", "delivery"], codecs: ["h264"], prices }],
      [{ primitives: ["ingest", "transcode", "delivery"], codecs: ["h264", "av1"], prices: unpriced }],
      [
        { primitives: ["ingest", "transcode", "delivery"], codecs: ["h264"], prices },
        { primitives: ["delivery"], codecs: ["av1"], prices },
      ],
    ] as const) {
      assert.throws(
        () => quotePrices(sellers, request, 0),
        (error) =>
          codeOf("LADDER_CODEC_UNSOLD")(error) && (error as { detail: { codec: string } }).detail.codec === "av1",
      );
    }
    assert.throws(() => quotePrices([], request, 0), codeOf("PLACEMENT_NOBODY"));
  });
});
