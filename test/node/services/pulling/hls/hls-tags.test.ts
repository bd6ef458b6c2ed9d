import assert from "node:assert/strict";
import { AddressTurns } from "@leat/node/kernel/net/pinned-address.ts";
import { pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { openSource } from "@leat/node/services/pulling/open-source.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { type DemuxedItem, isSample } from "@leat/sdk/protocol/published.ts";
import { defaultsOf } from "../../../../support/defaults.ts";
import { type HlsFiles, makeHls, serveFiles, soundApart } from "../../../../support/hls-files.ts";
import { ManualClock } from "../../../../support/manual-clock.ts";
import { writeEvent, writeRelativeEvent } from "../../../../support/mp4-tags.ts";
import { SourceServer } from "../../../../support/source-server.ts";
import { withTags, writeTag } from "../../../../support/timed-tags.ts";
import { demux, H264, packetsOf } from "../../../../support/ts-files.ts";

const VIDEO_PID = 256;
const pictures = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=3"];
const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=3"];
const h264 = [...H264, "-bf", "0", "-hls_time", "1"];
const fmp4 = ["-hls_segment_type", "fmp4"];

describe("timed metadata of an hls source", function () {
  this.timeout(30_000);
  let server: SourceServer;

  before(async () => {
    server = await SourceServer.open();
  });
  after(() => server.close());

  /** All of a playlist that ends. */
  async function readAll(files: HlsFiles): Promise<DemuxedItem[]> {
    serveFiles(server, files);
    const options = defaultsOf(pullOptions, { allow: ["127.0.0.1"] });
    const { signal } = new AbortController();
    const addresses = new AddressTurns();
    const tools = { outbound: new Outbound(options), addresses, srt: undefined, options, clock: new ManualClock() };
    const { media } = await openSource(server.url("/live.m3u8"), { ...tools, logger: silentLogger, signal });
    const items: DemuxedItem[] = [];
    for await (const some of media) items.push(...some);
    return items;
  }

  const tagsOf = (items: readonly DemuxedItem[]) => items.flatMap((item) => (item.type === "tag" ? [item.tag] : []));
  const change = (files: HlsFiles, name: string, make: (bytes: Buffer) => Uint8Array) =>
    files.set(name, Buffer.from(make(files.get(name)!)));
  const prepend =
    (...boxes: readonly Buffer[]) =>
    (bytes: Buffer) =>
      Buffer.concat([...boxes, bytes]);

  /** A tag is handed on behind a sample, and none of a later time is before it. */
  function checkOrder(items: readonly DemuxedItem[]): void {
    for (const [at, item] of items.entries()) {
      if (item.type !== "tag") continue;
      const before = items.slice(0, at).flatMap((one) => ("sample" in one ? [one.sample.dtsMs] : []));
      assert.ok(before.length > 0, "a tag before all samples");
      assert.ok(Math.max(...before) <= item.tag.atMs!, `${Math.max(...before)} before ${item.tag.atMs}`);
    }
  }

  it("is that of transport streams, at its time, and never before the first sample of its segment", async () => {
    const files = await makeHls(...pictures, ...sound, ...h264, "-c:a", "aac");
    const [early, late] = [writeTag("early"), writeTag("late")];
    const atMs: number[] = [];
    for (const [name, tag] of [
      ["live0.ts", early],
      ["live2.ts", late],
    ] as const) {
      change(files, name, (bytes) => {
        const [first] = demux(Uint8Array.from(bytes)).videos;
        const ticks = Math.round((first!.dtsMs + 500) * 90);
        atMs.push(ticks / 90);
        return withTags(bytes, [{ at: packetsOf(bytes, VIDEO_PID)[0]!, ticks, payload: tag }]);
      });
    }
    const items = await readAll(files);
    assert.deepEqual(tagsOf(items), [
      { atMs: atMs[0], tag: early },
      { atMs: atMs[1], tag: late },
    ]);
    checkOrder(items);
    assert.equal(items.filter(({ type }) => type === "video").length, 75);
  });

  it("is that of fragmented MP4, on the clock of its tracks or from the start of its segment", async () => {
    const files = await makeHls(...pictures, ...sound, ...h264, "-c:a", "aac", ...fmp4);
    const plain = await readAll(files);
    const shownMs = plain.flatMap((item) => (item.type === "video" ? [item.sample.dtsMs + item.sample.ctsMs] : []));
    const [absolute, relative] = [writeTag("absolute"), writeTag("relative")];
    change(files, "live0.m4s", prepend(writeEvent(Math.round(shownMs[20]! * 90), 90_000, absolute)));
    change(files, "live2.m4s", prepend(writeRelativeEvent(400, 1_000, relative)));
    const items = await readAll(files);
    const tags = tagsOf(items);
    assert.deepEqual(
      tags.map(({ tag }) => tag),
      [absolute, relative],
    );
    // A segment's sound may begin up to a packet before its first picture.
    assert.ok(Math.abs(tags[0]!.atMs! - shownMs[20]!) < 1, `${tags[0]!.atMs}`);
    assert.ok(Math.abs(tags[1]!.atMs! - shownMs[60]!) < 25, `${tags[1]!.atMs} for ${shownMs[60]}`);
    checkOrder(items);
    assert.deepEqual(items.filter(isSample), plain.filter(isSample));
  });

  it("is that of segments with media alone, which give it its time", async () => {
    const files = await makeHls(...pictures, ...h264, ...fmp4);
    const event = writeEvent(2.5 * 90_000, 90_000, writeTag("again"));
    const alone = prepend(event)(Buffer.alloc(0));
    files.set("live1.m4s", Buffer.concat([alone, writeRelativeEvent(0, 1_000, writeTag("never"))]));
    change(files, "live2.m4s", prepend(event));
    assert.deepEqual(tagsOf(await readAll(files)), [{ atMs: 2_500, tag: writeTag("again") }]);
  });

  it("is said once where both tracks of a source and later segments say it", async () => {
    const [seen, heard] = await Promise.all([
      makeHls(...pictures, ...h264, ...fmp4),
      makeHls(...sound, "-c:a", "aac", "-hls_time", "1", ...fmp4),
    ]);
    const [both, alone] = [writeTag("both"), writeTag("alone")];
    const atS = 1.5;
    for (const [files, timescale] of [
      [seen, 90_000],
      [heard, 44_100],
    ] as const) {
      const event = writeEvent(atS * timescale, timescale, both);
      change(files, "live1.m4s", prepend(event));
      change(files, "live2.m4s", prepend(event));
    }
    change(heard, "live1.m4s", prepend(writeEvent(1_200, 1_000, alone)));
    const files: HlsFiles = new Map();
    for (const [name, bytes] of seen) files.set(`v/${name}`, bytes);
    for (const [name, bytes] of heard) files.set(`a/${name}`, bytes);
    files.set("live.m3u8", Buffer.from(soundApart));
    const items = await readAll(files);
    const byTime = tagsOf(items).toSorted((left, right) => left.atMs! - right.atMs!);
    assert.deepEqual(byTime, [
      { atMs: 1_200, tag: alone },
      { atMs: 1_500, tag: both },
    ]);
    checkOrder(items);
  });
});
