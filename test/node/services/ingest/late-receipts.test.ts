import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { between } from "../../../support/edge-tree-scene.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { MediaNode, type NodeFaults } from "../../../support/media-network.ts";
import { at } from "../../../support/media-path-scene.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

type VerdictMessage = Extract<MediaMessage, { type: "verdict" }>;

const rung = { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 } as const;
const segments = 7;

function useForgetfulOrigin() {
  const nodes: MediaNode[] = [];
  const scene = {} as { balancer: FakeBalancer; items: MediaItem[] };
  before(async () => {
    scene.items = await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 2 * segments } });
  });
  beforeEach(() => {
    scene.balancer = new FakeBalancer([rung]);
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });
  async function startNode(faults?: NodeFaults): Promise<MediaNode> {
    const node = new MediaNode(scene.balancer, faults);
    nodes.push(node);
    await node.start();
    return node;
  }
  const failures = () => scene.balancer.of("job.failed").map(({ body }) => body.code);
  /** Answers the results of all checks. */
  const endOf = async (sink: PublishSink) => {
    const { balancer } = scene;
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    return balancer.of("check.submit").map(({ body }) => body.check.value);
  };
  return Object.assign(scene, { startNode, failures, endOf });
}

describe("receipts that come when their source is gone", function () {
  this.timeout(60_000);
  const scene = useForgetfulOrigin();
  const { startNode, failures, endOf } = scene;
  let balancer: FakeBalancer;
  let items: MediaItem[];
  beforeEach(() => {
    ({ balancer, items } = scene);
  });

  /** An origin that keeps so much of the source and the newest segment, and hears no receipt before `free`. */
  async function startForgetful(sourceBytes: number) {
    const freed = Promise.withResolvers<void>();
    const events = new EventEmitter<{ came: [MediaMessage]; sent: [] }>();
    const verdicts: VerdictMessage[] = [];
    const note = (message: MediaMessage) => {
      if (message.type === "verdict") verdicts.push(message);
      events.emit("sent");
      return message;
    };
    const onLink = (link: MediaConnection): MediaConnection => ({
      ...between(link, note),
      messages: {
        [Symbol.asyncIterator]: () =>
          holdReceipts(link.messages, (message) => events.emit("came", message), freed.promise),
      },
    });
    const origin = await startNode({ onLink, ingestOptions: { sourceBytes } });
    const untilLate = async (count: number) => {
      while (verdicts.filter(({ ok }) => !ok).length < count) await once(events, "sent");
    };
    const untilCame = (type: MediaMessage["type"], count = 1) =>
      new Promise<void>((resolve) => {
        let left = count;
        events.on("came", (message) => {
          if (message.type === type && --left === 0) resolve();
        });
      });
    return { origin, verdicts, untilLate, untilCame, free: () => freed.resolve() };
  }

  /** A stream of which `pictures` are published before its transcoder's first receipt is let through. */
  async function publishBehind(pictures: number) {
    const transcoder = await startNode();
    const { origin, untilLate, untilCame, free } = await startForgetful(1);
    balancer.transcoders = [transcoder];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    const shown = untilCame("frame");
    await publishItems(sink, items.slice(0, at(items, 50)));
    await shown;
    await publishItems(sink, items.slice(at(items, 50), at(items, pictures)));
    free();
    return { sink, untilLate };
  }

  it("are judged where viewers have the segment, and pay for nothing that nobody was shown", async () => {
    const { sink } = await publishBehind(60 * segments - 1);
    const checks = await endOf(sink);
    assert.ok(checks.every(({ verdict }) => verdict === checkVerdicts.passed));
    const passed = checks.map(({ seq }) => Number(seq));
    assert.ok(passed.includes(0), `only ${passed}`);
    assert.ok(passed.length < segments, `${passed}`);
    assert.ok(failures().every((code) => code === "TRANSCODING_TOO_LATE"));
  });

  /** Two make the first segment, and what the second signed for is heard when its source is gone. */
  async function takeOver(sourceBytes: number) {
    const [first, second] = [await startNode(), await startNode()];
    const { origin, verdicts, untilCame, free } = await startForgetful(sourceBytes);
    balancer.transcoders = [first, second];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    const shown = untilCame("frame", 30);
    await publishItems(sink, items.slice(0, at(items, 50)));
    await shown;
    await first.crash();
    const [goesOn, signed] = [untilCame("frame"), untilCame("receipt")];
    await balancer.replaceJob("h264");
    await goesOn;
    await publishItems(sink, items.slice(at(items, 50), at(items, 70)));
    await signed;
    await publishItems(sink, items.slice(at(items, 70), at(items, 60 * (segments - 1))));
    free();
    const checks = (await endOf(sink)).filter(({ seq }) => seq === 0n);
    const [receipt] = balancer
      .of("receipt.submit")
      .map(({ body }) => body.receipt.value)
      .filter(({ attempt, seq }) => attempt === 2 && seq === 0n);
    assert.ok(receipt!.frames < 60, `${receipt!.frames}`);
    assert.ok(failures().every((code) => code === "TRANSCODING_TOO_LATE"));
    return {
      checks: checks.map(({ attempt, verdict }) => [attempt, verdict]),
      verdict: verdicts.find(({ sequence }) => sequence === 0),
    };
  }

  it("are judged for the rest of a segment that another began", async () => {
    const { checks, verdict } = await takeOver(bytesOf(items.slice(0, at(items, 75))));
    assert.deepEqual(checks, [[2, checkVerdicts.passed]]);
    assert.deepEqual(verdict, { type: "verdict", sequence: 0, ok: true });
  });

  it("are told so where the source of the rest was never kept in whole", async () => {
    const { checks, verdict } = await takeOver(1);
    assert.deepEqual(checks, []);
    assert.deepEqual(verdict, { type: "verdict", sequence: 0, ok: false, code: "INGEST_SOURCE_GONE" });
  });

  it("are why its link is cut where it goes on so, and its job goes to another", async () => {
    const { sink, untilLate } = await publishBehind(60 * (segments - 1) - 10);
    await untilLate(3);
    await balancer.until(() => failures().length > 0);
    const [failed] = balancer.of("job.failed");
    assert.deepEqual([failed!.node, failed!.body.code], [balancer.origin, "TRANSCODING_TOO_LATE"]);
    await endOf(sink);
  });
});

describe("a transcoder that comes when much of the source is there", function () {
  this.timeout(60_000);
  const scene = useForgetfulOrigin();

  it("begins where it keeps its place, and everything from there on is judged", async () => {
    const { balancer, items, startNode, endOf, failures } = scene;
    const [first, second] = [await startNode(), await startNode()];
    const origin = await startNode({ ingestOptions: { sourceBytes: bytesOf(items.slice(0, at(items, 300))) } });
    balancer.transcoders = [first, second];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, items.slice(0, at(items, 20)));
    await balancer.until(() => balancer.jobs.length > 0);
    await first.crash();
    await publishItems(sink, items.slice(at(items, 20), at(items, 330)));
    await balancer.replaceJob("h264");
    await publishItems(sink, items.slice(at(items, 330)));
    const checks = await endOf(sink);
    const begin = Number(checks[0]!.seq);
    assert.ok(begin >= 2, `${begin}`);
    assert.deepEqual(
      checks.map(({ seq, attempt, verdict }) => [Number(seq), attempt, verdict]),
      Array.from({ length: segments - begin }, (_, index) => [begin + index, 2, checkVerdicts.passed]),
    );
    assert.deepEqual(failures(), []);
  });
});

function bytesOf(items: readonly MediaItem[]): number {
  return items.reduce((sum, item) => sum + (item.type === "frame" ? item.frame.data.length : 0), 0);
}

async function* holdReceipts(
  messages: AsyncIterable<MediaMessage>,
  came: (message: MediaMessage) => void,
  freed: Promise<void>,
): AsyncGenerator<MediaMessage> {
  for await (const message of messages) {
    if (message.type === "receipt") {
      came(message);
      await freed;
      yield message;
      continue;
    }
    yield message;
    came(message);
  }
}
