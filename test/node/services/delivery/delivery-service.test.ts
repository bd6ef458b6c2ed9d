import assert from "node:assert/strict";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { type FastifyInstance, fastify } from "fastify";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { ladder, useMediaPath } from "../../../support/media-path-scene.ts";

describe("an edge", function () {
  this.timeout(60_000);
  const scene = useMediaPath();
  let http: FastifyInstance;

  beforeEach(() => {
    scene.balancer = new FakeBalancer(ladder.slice(0, 1));
    http = fastify();
  });
  afterEach(() => http.close());

  it("tells how many watch and what they got of each attempt, at its end too", async () => {
    const { balancer, startNode } = scene;
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const sink = await scene.begin(origin, scene.items);
    const stream = await scene.watch(edge);
    await scene.finish(sink, stream);
    const told = () => edge.desk.runningJobs().map(({ viewers, served }) => ({ viewers, served }));
    assert.deepEqual(told(), [{ viewers: undefined, served: undefined }]);

    await addLive(http, edge.delivery, { audiences: edge.audiences });
    const take = async (file: string, agent: string) => {
      const url = `/live/${balancer.slug}/${file}`;
      const answer = await http.inject({ url, headers: { "user-agent": agent } });
      assert.equal(answer.statusCode, 200);
      return answer.rawPayload.length;
    };
    const bytes = [await take("240p/0.m4s", "one"), await take("240p/1.m4s", "one"), await take("240p/0.m4s", "two")];
    const sound = stream.window.renditions.find(({ kind }) => kind === "audio")!;
    bytes.push(await take(`${sound.name}/0.m4s`, "two"));
    // Two seconds each, of pictures alone.
    const served = { watchedMs: 6_000, bytes: bytes.reduce((sum, size) => sum + size, 0) };
    assert.deepEqual(told(), [{ viewers: 2, served }]);

    await take("240p/1.m4s", "two");
    const { job, attempt } = edge.desk.runningJobs()[0]!;
    const last = await balancer.ask(edge, "job.end", { job, attempt, code: "JOB_REPLACED" });
    assert.deepEqual(last, { served: { watchedMs: 8_000, bytes: served.bytes + bytes[1]! } });
    assert.deepEqual(await balancer.ask(edge, "job.end", { job, attempt, code: "JOB_REPLACED" }), {});

    await balancer.assign(edge, balancer.deliverySpec(), job, attempt + 1);
    assert.deepEqual(told(), [{ viewers: undefined, served: undefined }]);
  });
});
