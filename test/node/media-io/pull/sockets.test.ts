import assert from "node:assert/strict";
import { Socket } from "node:net";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import type { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { Throttle } from "@leat/node/media-io/pull/pacing.ts";
import { openRtmp } from "@leat/node/media-io/pull/rtmp-source.ts";
import { openRtsp } from "@leat/node/media-io/pull/rtsp-source.ts";
import type { PullSource } from "@leat/node/media-io/pull/source-url.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { defaultsOf } from "../../../support/defaults.ts";

/** What a source is opened with, and the connections that were made to it. */
function prepare() {
  const dialled: Socket[] = [];
  const dial = async () => {
    const socket = new Socket();
    dialled.push(socket);
    return socket;
  };
  const parts = {
    outbound: { dial } as unknown as Outbound,
    options: defaultsOf(pullOptions),
    throttle: new Throttle(systemClock, 1e9),
    clock: systemClock,
    logger: silentLogger,
    signal: new AbortController().signal,
  };
  return { dialled, parts };
}

// Addresses that no source is parsed to: whatever fails on the way leaves no connection behind.
describe("the connection of a source that cannot be opened", () => {
  it("is let go of by rtmp whatever failed", async () => {
    const { dialled, parts } = prepare();
    const nowhere: PullSource = { scheme: "rtmp", url: new URL("ftp://source.test/"), port: 1 };
    await assert.rejects(openRtmp(nowhere, parts), { code: "PULL_URL_INVALID" });
    assert.deepEqual(
      dialled.map(({ destroyed }) => destroyed),
      [true],
    );
  });

  it("is not made by rtsp where its name and password cannot be read", async () => {
    const { dialled, parts } = prepare();
    const source: PullSource = { scheme: "rtsp", url: new URL("ftp://a%4:1@source.test/"), port: 1 };
    await assert.rejects(openRtsp(source, parts), URIError);
    assert.equal(dialled.length, 0);
  });
});
