import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { box } from "@leat/node/media/mp4/box.ts";
import { drawPart, EdgeProbe, type Reference } from "@leat/node/services/buyer/edge-probe.ts";
import type { Fetcher } from "@leat/node/services/buyer/hls-reader.ts";
import { type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";

const secret = new Uint8Array(32);
const hls = "http://127.0.0.1/live/slug/master.m3u8";
const node: Hex = `0x${"11".repeat(20)}`;
const edge = { job: zeroHash, attempt: 1, node, hls };
const never = new AbortController().signal;

/** Parts 0 to 3 of a segment: before the last two stand events. */
const partsOf = (sequence: number) =>
  [0, 1, 2, 3].map((part) => {
    const events = Array.from({ length: Math.max(0, part - 1) }, () => box("emsg", new Uint8Array(7)));
    return Buffer.concat([...events, box("moof", Uint8Array.of(sequence, part)), box("mdat", new Uint8Array(9))]);
  });
const leavesOf = (sequence: number): PartLeaf[] =>
  partsOf(sequence).map((bytes, part) => ({
    rung: 1,
    part,
    frames: 1,
    pixels: 1n,
    sizeBytes: BigInt(bytes.length),
    sha256: `0x${createHash("sha256").update(bytes).digest("hex")}`,
  }));
const whole: Reference = { receiptHash: `0x${"44".repeat(32)}`, sequence: 4, leaves: leavesOf(4) };
const rest: Reference = { receiptHash: `0x${"55".repeat(32)}`, sequence: 5, leaves: leavesOf(5).slice(2) };

describe("probe of an edge", () => {
  let served: Map<string, Uint8Array>;
  let probe: EdgeProbe;
  const look = (reference: Reference) => probe.probe(edge, reference, () => false, never);

  beforeEach(() => {
    served = new Map([4, 5].map((sequence) => [`${sequence}.m4s`, Buffer.concat(partsOf(sequence))]));
    const bytesOf = (url: string) => served.get(url.split("/").at(-1)!);
    const fetcher: Fetcher = {
      text: async (url) =>
        url === hls
          ? "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n480p/index.m3u8\n"
          : "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n#EXTINF:2,\n4.m4s\n#EXTINF:2,\n5.m4s\n",
      size: async (url) => bytesOf(url)?.length,
      range: async (url, offset, length) => bytesOf(url)?.subarray(offset, offset + length),
    };
    const clock = { nowMs: () => 0, sleep: async () => {} };
    probe = new EdgeProbe({ fetcher, clock, secret }, { lookEveryMs: 1, looks: 3 });
  });

  describe("by the receipt of a segment's rest", () => {
    beforeEach(async () => {
      assert.equal((await look(whole)).verdict, "passed");
    });

    it("finds the part among those that nobody signed", async () => {
      assert.equal((await look(rest)).verdict, "passed");
    });

    it("finds a part that was altered, wherever else the segment was", async () => {
      const { leaf } = drawPart(rest, node, secret);
      const parts = partsOf(5);
      parts[leaf.part]![20]! ^= 1;
      served.set("5.m4s", Buffer.concat([box("free"), ...parts]));
      assert.deepEqual(await look(rest), { verdict: "failed", reference: rest, code: "EDGE_PART_DIFFERENT" });
    });

    it("takes what is no row of parts for another", async () => {
      const [first] = partsOf(5);
      served.set("5.m4s", Buffer.concat([first!, Uint8Array.of(0, 0, 0, 4)]));
      assert.equal((await look(rest)).verdict, "failed");
    });

    it("blames no edge whose segment ends whole before the part", async () => {
      served.set("5.m4s", Buffer.concat(partsOf(5).slice(0, 2)));
      assert.equal((await look(rest)).verdict, "unproven");
    });
  });

  it("proves nothing by a rest while it does not know where the edge serves the rung", async () => {
    assert.equal((await look(rest)).verdict, "unproven");
  });
});
