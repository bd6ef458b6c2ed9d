import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { passItems } from "@leat/node/media-io/publish-sink.ts";
import { decodeFrames } from "../../support/media/ffmpeg.ts";
import { listMediaFiles } from "../../support/media-files.ts";
import { packSegments, SegmentSink } from "../../support/segment-sink.ts";
import { demux } from "../../support/ts-files.ts";

describe("mpegts with real inputs", function () {
  this.timeout(60_000);
  for (const path of listMediaFiles().filter((file) => file.endsWith(".ts"))) {
    it(`gives every picture of ${basename(path)} as the ffmpeg program decodes it`, async () => {
      const { items, stats } = demux(Uint8Array.from(await readFile(path)), 1_316);
      const sink = new SegmentSink();
      await passItems(sink, items);
      sink.end();
      const { checksums } = await decodeFrames(packSegments(sink.configs.get("video")!, sink.segments));
      assert.deepEqual(checksums, (await decodeFrames(path, ["-map", "0:v:0"])).checksums);
      assert.deepEqual([stats.gaps, stats.leftOut, stats.garbageBytes], [0, 0, 0]);
      const audio = sink.configs.get("audio");
      if (audio === undefined) return;
      const { complaints } = await decodeFrames(packSegments(audio, sink.heard));
      assert.equal(complaints, "");
    });
  }
});
