import assert from "node:assert/strict";
import { once } from "node:events";
import { type PackedSegment, packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import { PaymentError } from "@leat/node/services/payment/errors.ts";
import type { MediaMessage, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { pricedPullOf } from "@leat/sdk/protocol/job.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { LiveSpec } from "@leat/transcoder/engine.ts";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { FakeBalancer, subscriptionOf } from "../../support/fake-balancer.ts";
import type { MediaNode, NodeFaults } from "../../support/media-network.ts";
import { at, ladder, range, useMediaPath } from "../../support/media-path-scene.ts";
import { noteInto } from "../../support/noting-logger.ts";
import { publishInfo, publishItems } from "../../support/publish-items.ts";

describe("the media path, where somebody refuses", function () {
  this.timeout(60_000);
  const scene = useMediaPath();
  const { startNode, begin, watch, finish, published, judge } = scene;
  /** What a node told of attempts that failed: the transcoder tells of the same one, at its own time. */
  const failuresTold = (by: MediaNode) =>
    scene.balancer.of("job.failed").flatMap(({ node, body }) => (node === by ? [body] : []));

  it("stops a job at its credit limit and says so", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const sink = await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    await scene.balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    transcoder.mayWork = "CREDIT_EXHAUSTED";
    await publishItems(sink, scene.items.slice(at(scene.items, 50)));
    await scene.balancer.until(() => scene.balancer.of("job.failed").length === 2);
    assert.deepEqual(
      scene.balancer.of("job.failed").map(({ body }) => body.code),
      ["CREDIT_EXHAUSTED", "CREDIT_EXHAUSTED"],
    );
    assert.deepEqual(transcoder.desk.runningJobs(), []);
    assert.deepEqual(transcoder.desk.capacity().transcodePixelsPerSecond.free, 60_000_000);
  });

  it("ends a stream at its credit limit, and says where it is the balancer that does not answer", async () => {
    for (const [away, code] of [
      [false, "INGEST_LEASE_LOST"],
      [true, "INGEST_BALANCER_AWAY"],
    ] as const) {
      const origin = await startNode();
      const sink = await begin(origin, scene.items.slice(0, at(scene.items, 50)));
      scene.balancer.away = away;
      if (away) await once(scene.balancer.events, "missed");
      origin.mayWork = "CREDIT_EXHAUSTED";
      await assert.rejects(publishItems(sink, scene.items.slice(at(scene.items, 50))), { code });
      await sink.end({ clean: false });
      await origin.stop();
    }
  });

  it("tells the publisher why the balancer ended its stream, where the buyer can pay for no more", async () => {
    for (const [reason, code] of [
      ["STREAM_RESERVE_SPENT", "STREAM_RESERVE_SPENT"],
      ["PUBLISH_LEASE_LOST", "INGEST_LEASE_LOST"],
    ] as const) {
      const origin = await startNode();
      const sink = await begin(origin, scene.items.slice(0, at(scene.items, 50)));
      scene.balancer.renewRefusal = reason;
      await scene.balancer.until(() => scene.balancer.of("job.failed").some(({ body }) => body.code === code));
      await assert.rejects(publishItems(sink, scene.items.slice(at(scene.items, 50))), { code });
      scene.balancer.renewRefusal = undefined;
      await origin.stop();
    }
  });

  it("tells the publisher that its node is not paid and the operator why, and takes it once that is", async () => {
    const lines: string[] = [];
    const origin = await startNode({ logger: noteInto(lines) });
    origin.unpaid = new PaymentError({ code: "CREDIT_RESERVE_SHORT", wantedExact: 2n, freeExact: 1n });
    const publish = () => origin.ingest.authorize(scene.balancer.streamKey, publishInfo());
    await assert.rejects(publish(), ({ code, cause }) => code === "INGEST_NODE_UNPAID" && cause === origin.unpaid);
    const { stream: streamId } = scene.balancer;
    const facts = { streamId, code: "CREDIT_RESERVE_SHORT", wantedExact: "2", freeExact: "1" };
    assert.deepEqual(
      lines.filter((line) => line.startsWith("warn ")),
      [`warn Refuse job that is not paid ${JSON.stringify(facts)}`],
    );
    assert.deepEqual(
      scene.balancer.of("publish.end").map(({ body }) => body.frames),
      [0],
    );
    origin.unpaid = undefined;
    await (await publish()).end({ clean: true });
  });

  it("refuses a wrong key, and a job that was given to somebody else or by nobody", async () => {
    const [origin, transcoder, stranger] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    await assert.rejects(origin.ingest.authorize("wrong", publishInfo()), { code: "STREAM_KEY_UNKNOWN" });
    await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    await scene.balancer.until(() => published("h264") >= 0);
    const subscribe = subscriptionOf(await scene.balancer.terms(transcoder, scene.balancer.deliverySpec()));
    const { assignment } = subscribe;
    const tried = await stranger.host.openMedia(origin.host.multiaddrs(), origin.address);
    await tried.send(subscribe);
    const answers: MediaMessage[] = [];
    for await (const message of tried.messages) answers.push(message);
    assert.deepEqual(answers, [{ type: "refused", code: "JOB_ASSIGNMENT_NODE_WRONG" }]);
    const forged = { ...assignment, value: { ...assignment.value, node: stranger.address } };
    const again = await stranger.host.openMedia(origin.host.multiaddrs(), origin.address);
    await again.send({ ...subscribe, assignment: forged });
    for await (const message of again.messages) answers.push(message);
    assert.deepEqual(answers[1], { type: "refused", code: "JOB_ASSIGNMENT_SIGNER_WRONG" });
  });

  it("refuses a job's node what the job is not of: another stream, another use, another quote", async () => {
    const [origin, edge] = [await startNode(), await startNode()];
    scene.balancer.transcoders = [await startNode()];
    await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    await scene.balancer.until(() => published("h264") >= 0);
    const { balancer } = scene;
    const ask = async (subscribe: SubscribeMessage) => {
      const link = await edge.host.openMedia(origin.host.multiaddrs(), origin.address);
      await link.send(subscribe);
      for await (const message of link.messages) {
        link.abort(new Error("heard enough"));
        return message;
      }
      return undefined;
    };
    const own = subscriptionOf(await balancer.terms(edge, balancer.deliverySpec()));
    assert.deepEqual(await ask(own), { type: "accepted" });
    // A stream of its own, as cheap as may be: its job opens no other.
    const stream: Hex = `0x${"77".repeat(32)}`;
    const ofOther = subscriptionOf(await balancer.terms(edge, { ...balancer.deliverySpec(), stream }));
    const wrong = { type: "refused", code: "JOB_QUOTE_WRONG" };
    assert.deepEqual(await ask({ ...ofOther, spec: own.spec }), wrong);
    assert.deepEqual(await ask({ ...ofOther, spec: own.spec, quote: own.quote }), wrong);
    assert.deepEqual(await ask({ ...own, spec: pricedPullOf(balancer.transcodeSpec("h264")) }), wrong);
    assert.deepEqual(await ask(ofOther), { type: "refused", code: "MEDIA_STREAM_UNKNOWN" });
  });

  it("takes nothing for a rung that is not of the transcoder's job", async () => {
    const [origin, honest, other] = [await startNode(), await startNode(), await startNode()];
    const { balancer } = scene;
    balancer.transcoders = [honest];
    await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    await balancer.until(() => published("h264") >= 0);
    const spec = balancer.transcodeSpec("h264");
    const rungs = spec.rungs.map((rung) => ({ ...rung, rung: rung.rung + 1 }));
    const link = await other.host.openMedia(origin.host.multiaddrs(), origin.address);
    await link.send(subscriptionOf(await balancer.terms(other, { ...spec, rungs })));
    const [size, data] = [{ width: 320, height: 180 }, new Uint8Array(8)];
    const config = { kind: "video", codec: "h264", codecString: "avc1.640015", timescale: 90_000, ...size } as const;
    await link.send({
      type: "config",
      rung: spec.rungs[0]!.rung,
      version: 1,
      config: { ...config, description: data },
    });
    await assert.rejects(async () => {
      for await (const message of link.messages) assert.notEqual(message.type, "end");
    });
  });

  it("drops a transcoder whose work is not what its receipt says, before anybody pays it", async () => {
    const faults: Record<string, NodeFaults> = {
      CHECK_HASH: { pack: (segment) => (segment.rung === 1 ? alterPart(packSegment(segment)) : packSegment(segment)) },
      CHECK_FRAMES: { startTranscode: dropFrames },
      CHECK_SIZE: { startTranscode: (spec, events) => startLiveTranscode(shrink(spec), events) },
    };
    for (const [code, fault] of Object.entries(faults)) {
      scene.balancer = new FakeBalancer(ladder.slice(0, 1));
      const [origin, liar, honest, edge] = [
        await startNode(),
        await startNode(fault),
        await startNode(),
        await startNode(),
      ];
      scene.balancer.transcoders = [liar];
      const sink = await begin(origin, scene.items);
      const stream = await watch(edge);
      await scene.balancer.until(() => failuresTold(origin).length > 0 && scene.balancer.of("check.submit").length > 0);
      assert.equal(failuresTold(origin)[0]!.code, "CHECK_FAILED", code);
      assert.deepEqual(
        scene.balancer.of("check.submit").map(({ body }) => [body.code, body.check.value.verdict]),
        [[code, checkVerdicts.failed]],
      );
      assert.equal(published("h264"), -1);
      scene.balancer.transcoders = [liar, honest];
      await scene.balancer.replaceJob("h264");
      await finish(sink, stream);
      await judge(stream, range(0, 105));
    }
  });

  it("drops a transcoder that begins behind a segment that nobody made, and viewers see no gap", async () => {
    scene.balancer = new FakeBalancer(ladder.slice(0, 1));
    const [origin, hasty, honest, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [hasty];
    // It asks for the second segment, though nobody made the first.
    scene.balancer.published.set("h264", 0);
    const sink = await begin(origin, scene.items);
    const stream = await watch(edge);
    await scene.balancer.until(() => failuresTold(origin).length > 0 || published("h264") > 0);
    assert.deepEqual(
      failuresTold(origin).map((body) => [body.code, body.sequence]),
      [["CHECK_FAILED", 1]],
    );
    scene.balancer.published.clear();
    scene.balancer.transcoders = [hasty, honest];
    await scene.balancer.replaceJob("h264");
    await finish(sink, stream);
    await judge(stream, range(0, 105));
  });
});

function alterPart(packed: PackedSegment): PackedSegment {
  const [first, ...rest] = packed.parts;
  const sha256 = Uint8Array.from(first!.sha256, (byte, index) => (index === 0 ? byte ^ 1 : byte));
  return { ...packed, parts: [{ ...first!, sha256 }, ...rest] };
}

const dropFrames: typeof startLiveTranscode = (spec, events) => {
  let frames = 0;
  return startLiveTranscode(spec, {
    ...events,
    frame: (index, sequence, frame) => {
      frames += 1;
      if (frames % 10 !== 0) events.frame(index, sequence, frame);
    },
  });
};

function shrink(spec: LiveSpec): LiveSpec {
  return { ...spec, rungs: spec.rungs.map((rung) => ({ ...rung, width: rung.width / 2, height: rung.height / 2 })) };
}
