import assert from "node:assert/strict";
import { isCodedError } from "../../../sdk/base/errors.ts";
import { createDomain } from "../../../sdk/protocol/eip712.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "../../../sdk/protocol/limits.ts";
import { type OfferBody, offerOf, signOffer, verifyOffer } from "../../../sdk/protocol/offer-body.ts";
import { nobleStatements } from "../../../sdk/protocol/statements.ts";

const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(3));
const body: OfferBody = {
  cluster: 1n,
  region: "eu-north",
  primitives: [{ primitive: "transcode", capacity: 50_000_000 }],
  codecs: [{ codec: "h264", pixelsPerSecond: 50_000_000 }],
  prices: [{ token: `0x${"77".repeat(20)}`, prices: { pixelH264: 2n * 10n ** 18n } }],
  multiaddrs: ["/ip4/192.0.2.1/tcp/4460"],
  httpUrl: "http://192.0.2.1:8080",
  sequence: 4n,
  validUntil: 2_000n,
};
const codeIs = (code: string) => (error: unknown) => isCodedError(error) && error.code === code;

describe("offers", () => {
  it("verify as their node signed them", async () => {
    const offer = await signOffer(signer, domain, body);
    assert.equal(offer.node, signer.address);
    verifyOffer(nobleStatements, domain, offer, 1_999n);
    // By a clock that may be so far ahead of the node's.
    verifyOffer(nobleStatements, domain, offer, 1_999n + BigInt(MAX_CLOCK_ERROR_SECONDS));
  });

  it("do not verify once expired, on another network, or with anything changed", async () => {
    const offer = await signOffer(signer, domain, body);
    const over = 2_000n + BigInt(MAX_CLOCK_ERROR_SECONDS);
    assert.throws(() => verifyOffer(nobleStatements, domain, offer, over), codeIs("OFFER_EXPIRED"));
    const elsewhere = createDomain(1, domain.verifyingContract);
    assert.throws(() => verifyOffer(nobleStatements, elsewhere, offer, 1n), codeIs("OFFER_SIGNER_WRONG"));
    const changes: Partial<OfferBody>[] = [
      { cluster: 2n },
      { region: "us" },
      { sequence: 5n },
      { validUntil: 3_000n },
      { multiaddrs: [] },
      { httpUrl: undefined },
      { codecs: [{ codec: "vp9", pixelsPerSecond: 50_000_000 }] },
    ];
    for (const change of changes) {
      const altered = { ...offer, body: { ...body, ...change } };
      assert.throws(() => verifyOffer(nobleStatements, domain, altered, 1n), codeIs("OFFER_SIGNER_WRONG"));
    }
  });

  it("stand for their body by its hash", () => {
    const offer = offerOf(signer.address, body);
    assert.equal(offer.sequence, 4n);
    assert.equal(offer.contentHash, offerOf(signer.address, { ...body }).contentHash);
    assert.notEqual(offer.contentHash, offerOf(signer.address, { ...body, region: "us" }).contentHash);
  });
});
