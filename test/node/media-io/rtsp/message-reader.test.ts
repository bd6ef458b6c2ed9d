import assert from "node:assert/strict";
import { MAX_BODY_BYTES, MAX_HEAD_BYTES, type RtspItem, RtspReader } from "@leat/node/media-io/rtsp/message-reader.ts";
import fc from "fast-check";

const packet = (channel: number, data: Uint8Array) =>
  Buffer.concat([Uint8Array.of(0x24, channel, data.length >> 8, data.length & 0xff), data]);
const text = (...lines: string[]) => Buffer.from(lines.join("\r\n"));
const answer = text("RTSP/1.0 200 OK", "CSeq: 3", "WWW-Authenticate: Basic", "www-authenticate: Digest", "", "");
const described = text("RTSP/1.0 404 Not Found", "Content-Length: 5", "", "v=0\r\n");
const asked = text("OPTIONS rtsp://h/x RTSP/1.0", "CSeq: 1", "", "");
const sent = Buffer.concat([
  answer,
  packet(2, Uint8Array.of(9, 0x24, 9)),
  described,
  packet(0, new Uint8Array(0)),
  asked,
]);

const read = (pieces: readonly Uint8Array[]): RtspItem[] => {
  const reader = new RtspReader();
  return pieces.flatMap((piece) =>
    [...reader.read(piece)].map((item) =>
      item.type === "packet" ? { ...item, data: Uint8Array.from(item.data) } : item,
    ),
  );
};

describe("rtsp messages", () => {
  it("are the same however the bytes are cut", () => {
    const whole = read([sent]);
    assert.deepEqual(whole, [
      {
        type: "response",
        status: 200,
        headers: new Map([
          ["cseq", ["3"]],
          ["www-authenticate", ["Basic", "Digest"]],
        ]),
        body: "",
      },
      { type: "packet", channel: 2, data: Uint8Array.of(9, 0x24, 9) },
      { type: "response", status: 404, headers: new Map([["content-length", ["5"]]]), body: "v=0\r\n" },
      { type: "packet", channel: 0, data: new Uint8Array(0) },
      { type: "request", method: "OPTIONS", headers: new Map([["cseq", ["1"]]]) },
    ]);
    assert.deepEqual(read([...sent].map((byte) => Uint8Array.of(byte))), whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: sent.length }), { maxLength: 12 }), (cuts) => {
        const places = [0, ...cuts.sort((left, right) => left - right), sent.length];
        assert.deepEqual(read(places.slice(1).map((to, index) => sent.subarray(places[index], to))), whole);
      }),
      { numRuns: 50 },
    );
  });

  it("are read behind the empty lines that some send after an answer", () => {
    assert.equal(read([text("", "", ""), answer, text("", ""), asked]).length, 2);
  });

  it("have an end within the head's limit, whatever follows and however lines end", () => {
    const heads = ["RTSP/1.0 200\n\n", "RTSP/1.0 200\r\n\r\n", "RTSP/1.0 200\n\r\n", "RTSP/1.0 200\r\n\n"];
    for (const head of heads) {
      const [item, ...others] = read([Buffer.concat([Buffer.from(head), packet(1, new Uint8Array(40_000))])]);
      assert.deepEqual(item, { type: "response", status: 200, headers: new Map(), body: "" });
      assert.equal(others.length, 1);
    }
    // The last byte of the empty line is the last that is looked at.
    const long = (sizeBytes: number) => Buffer.from(`${"RTSP/1.0 200 ".padEnd(sizeBytes - 4, "x")}\r\n\r\n`);
    assert.equal(read([long(MAX_HEAD_BYTES)]).length, 1);
    assert.throws(() => read([long(MAX_HEAD_BYTES + 1)]), { code: "PULL_RTSP_INVALID" });
  });

  it("are refused where they are larger than any, or no messages", () => {
    const endless = text("RTSP/1.0 200 OK", `X: ${"x".repeat(MAX_HEAD_BYTES)}`);
    const large = text("RTSP/1.0 200 OK", `Content-Length: ${MAX_BODY_BYTES + 1}`, "", "");
    const negative = text("RTSP/1.0 200 OK", "Content-Length: -1", "", "");
    const http = text("HTTP/1.1 200 OK", "", "");
    for (const bytes of [endless, large, negative, http, text("220 mail.test ESMTP"), Uint8Array.of(0)]) {
      assert.throws(() => read([bytes]), { code: "PULL_RTSP_INVALID" }, bytes.toString().slice(0, 40));
    }
    assert.equal(read([text("RTSP/1.0 200 OK", `Content-Length: ${MAX_BODY_BYTES}`, "", "")]).length, 0);
  });

  it("keep nothing alive of what came with them", () => {
    const [item] = [...new RtspReader().read(Buffer.concat([packet(0, Uint8Array.of(1, 2)), described]))];
    assert.ok(item?.type === "packet");
    assert.deepEqual([item.data.length, item.data.buffer.byteLength], [2, 2]);
  });

  it("hold no more than one that is not whole", () => {
    const reader = new RtspReader();
    for (let round = 0; round < 100; round += 1) {
      for (const item of reader.read(packet(0, new Uint8Array(60_000)))) assert.equal(item.type, "packet");
      assert.equal(reader.heldBytes, 0);
    }
    assert.deepEqual([...reader.read(packet(0, new Uint8Array(65_535)).subarray(0, 65_000))], []);
    assert.equal(reader.heldBytes, 65_000);
  });
});
