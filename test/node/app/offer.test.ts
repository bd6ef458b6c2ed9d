import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { type SignedOffer, verifyOffer } from "@leat/sdk/protocol/offer-body.ts";
import { OfferWriter } from "../../../node/app/offer.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { measuredSpeeds } from "../../support/measured-speeds.ts";
import { testDomain } from "../../support/session-fixtures.ts";

const token = `0x${"bb".repeat(20)}` as const;
const of = (amount: number) => ({ total: amount, free: amount });
const capacity = {
  ingestStreams: of(8),
  transcodePixelsPerSecond: of(60_000_000),
  deliveryBytesPerSecond: of(1_000_000),
};

describe("a node's offer", () => {
  const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
  let clock: ManualClock;
  let gossiped: SignedOffer[];
  let offers: OfferWriter;

  beforeEach(() => {
    clock = new ManualClock();
    gossiped = [];
    const facts = {
      clock,
      config: {
        node: { region: "eu", roles: ["ingest" as const, "transcode" as const] },
        sales: { cluster: 3, offerValidMs: 3_600_000 },
      },
      domain: testDomain,
      host: { multiaddrs: () => ["/ip4/127.0.0.1/tcp/4001"] },
      httpUrl: "http://127.0.0.1:8080",
      key: { signer },
    };
    offers = new OfferWriter(facts, new Map([[token, { ingestMs: 5n }]]), (offer) => gossiped.push(offer));
  });

  it("says what its encoders were measured at, anew once that is known, and is signed and gossiped each time", async () => {
    const early = await offers.write(capacity);
    assert.deepEqual(early.body.codecs, []);
    await clock.advance(1_000);
    offers.setCodecs(measuredSpeeds.map((speed) => ({ ...speed, encoder: "libx264", works: true })));
    const late = await offers.write(capacity);
    assert.deepEqual(late.body.codecs, measuredSpeeds);
    assert.ok(late.body.sequence > early.body.sequence);
    assert.deepEqual(gossiped, [early, late]);
    for (const offer of gossiped) verifyOffer(nativeStatements, testDomain, offer, BigInt(clock.nowMs()) / 1_000n);
  });

  it("names the primitives of its roles that it has something of", async () => {
    const { body } = await offers.write({ ...capacity, ingestStreams: of(0) });
    assert.deepEqual(body.primitives, [{ primitive: "transcode", capacity: 60_000_000 }]);
  });

  it("is the same until half of its time is over", async () => {
    const first = await offers.write(capacity);
    await clock.advance(1_799_000);
    assert.equal(await offers.write(capacity), first);
    await clock.advance(2_000);
    assert.notEqual(await offers.write(capacity), first);
    assert.equal(gossiped.length, 2);
  });
});
