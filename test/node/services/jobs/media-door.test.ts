import assert from "node:assert/strict";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { MediaDoor } from "@leat/node/services/jobs/media-door.ts";
import type { MediaConnection } from "@leat/node/wire/media/message.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { testDomain } from "../../../support/media-network.ts";

describe("where peers come in for media", () => {
  it("cuts off who says nothing for ten seconds, and nobody sooner", async () => {
    const clock = new ManualClock();
    const door = new MediaDoor({
      session: { welcome: undefined },
      statements: nativeStatements,
      domain: testDomain,
      clock,
      logger: silentLogger,
      metrics: silentMetrics,
    });
    await door.start();
    const cut = Promise.withResolvers<Error>();
    let isCut = false;
    const silent = {
      remoteAddress: `0x${"22".repeat(20)}`,
      messages: { [Symbol.asyncIterator]: () => ({ next: () => cut.promise.then((error) => Promise.reject(error)) }) },
      abort(error: Error) {
        isCut = true;
        cut.resolve(error);
      },
    };
    door.serve(silent as unknown as MediaConnection);
    await clock.advance(9_999);
    assert.equal(isCut, false);
    await clock.advance(1);
    assert.ok(codeOf("MEDIA_SUBSCRIPTION_MISSING")(await cut.promise));
    await door.stop();
  });
});
