import assert from "node:assert/strict";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { LinedEdge } from "../../../support/lined-edge.ts";
import { publishSegments, rendition, signer } from "../../../support/published-segments.ts";

const onWish: RenditionInfo = { rung: 2, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 1 };
const segments = 40;

describe("a rung that is sent on wish alone", () => {
  let published: readonly (readonly MediaMessage[])[];
  let edge: LinedEdge;
  let next: number;

  before(async () => {
    published = await publishSegments(segments);
  });

  beforeEach(async () => {
    next = 0;
    // Nobody says anything for as long here.
    const limits = { silenceMs: 30_000, behindMs: 60_000 };
    edge = new LinedEdge(["0xfirst", "0xsecond"], { renditions: [rendition, onWish], limits });
    await edge.clock.advance(0);
  });

  afterEach(() => edge.stop());

  /** The stream's next segments, of the picture alone, from whoever is asked now; answers who is asked then. */
  async function pass(count: number, ms = 0): Promise<string> {
    for (let left = count; left > 0; left -= 1) edge.current.line.say(...published[next++]!);
    await edge.clock.advance(ms);
    return edge.current.holder;
  }
  const follow = () => edge.job.stream.frames.follow(2, { config() {}, frame() {}, takeBack() {}, end() {} });

  it("is asked of the next when a holder keeps it back, and of nobody else once the origin lacks it too", async () => {
    assert.equal(await pass(10, 20_000), "0xfirst");
    follow();
    assert.equal(await pass(4, 20_000), "0xfirst");
    assert.deepEqual(edge.current.line.told.at(-1), { type: "wish", rungs: [2], hurry: true });
    assert.equal(await pass(1), "0xsecond");
    await edge.clock.advance(10_000);
    assert.equal(await pass(5), signer.address);
    assert.deepEqual(edge.failed, [
      ["0xfirst", "DELIVERY_RUNG_WITHHELD"],
      ["0xsecond", "DELIVERY_RUNG_WITHHELD"],
    ]);
    await edge.clock.advance(10_000);
    assert.equal(await pass(6), signer.address);
    edge.job.change({ parents: [{ node: "0xsecond" as never, multiaddrs: [] }] } as never);
    await edge.clock.advance(10_000);
    assert.equal(await pass(8, 10_000), "0xsecond");
    assert.equal(edge.failed.length, 2);
  });
});
