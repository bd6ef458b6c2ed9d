import assert from "node:assert/strict";
import { RtmpTarget } from "@leat/node/services/restreaming/rtmp-target.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { decodeAmf } from "@leat/transcoder/rtmp/amf0.ts";

describe("a server that a stream is sent on to by RTMP", () => {
  it("is told what comes before it does", async () => {
    const sent: { type: number; body: Uint8Array }[] = [];
    const target = new RtmpTarget({ send: async (type, _timeMs, body) => void sent.push({ type, body }) });
    const renditions = [
      { rung: 1, kind: "video", width: 854, height: 480, bitrate: 1_200_000 },
      { rung: 9, kind: "audio", bitrate: 128_000 },
    ] as RenditionInfo[];
    await target.describe(renditions, { video: 1, audio: 9 });
    await target.describe(renditions, { video: undefined, audio: 9 });
    const told = sent.map(({ type, body }) => [type, ...decodeAmf(body)]);
    const sound = { audiocodecid: 10, audiodatarate: 128, encoder: "leat" };
    const picture = { width: 854, height: 480, videocodecid: 7, videodatarate: 1_200 };
    assert.deepEqual(told, [
      [18, "@setDataFrame", "onMetaData", new Map<string, unknown>(Object.entries({ ...picture, ...sound }))],
      [18, "@setDataFrame", "onMetaData", new Map<string, unknown>(Object.entries(sound))],
    ]);
  });
});
