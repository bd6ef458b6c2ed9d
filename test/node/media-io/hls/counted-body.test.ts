import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request, type Server, type ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import { countedBody, selectBytes } from "@leat/node/media-io/hls/counted-body.ts";

const SLICE = 262_144;

describe("bytes of a segment in pieces", () => {
  const pieces = [10, 1, SLICE + 5, 0, 3].map((size, at) => Uint8Array.from({ length: size }, (_, i) => at + i));
  const whole = Buffer.concat(pieces);
  let server: Server;
  let counted: [from: number, to: number][];
  let answer: { readonly from: number; readonly to: number };
  let over: Promise<unknown>;

  before(async () => {
    server = createServer((_, response) => {
      const { from, to } = answer;
      over = once(response, "close");
      const selected = selectBytes(pieces, from, to);
      const body = countedBody(selected, from, response, (first, end) => void counted.push([first, end]));
      if (Buffer.isBuffer(body)) response.end(body);
      else body.pipe(response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(() => server.close());
  beforeEach(() => {
    counted = [];
  });

  async function open(): Promise<Readable> {
    const asked = request({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", agent: false }).end();
    return ((await once(asked, "response")) as [Readable])[0];
  }

  for (const [from, to] of [
    [0, whole.length],
    [0, 10],
    [4, 11],
    [10, 11],
    [11, SLICE + 16],
    [9, whole.length - 1],
    [whole.length - 2, whole.length],
  ] as const) {
    it(`are ${from} to ${to} as they stand in the whole, each counted once`, async () => {
      answer = { from, to };
      const got = await (await open()).toArray();
      await over;
      assert.deepEqual(Buffer.concat(got), whole.subarray(from, to));
      const ends = counted.map(([first, end], at) => [first, end, counted[at + 1]?.[0] ?? to]);
      assert.equal(counted[0]![0], from);
      for (const [first, end, next] of ends) assert.ok(first! < end! && end === next);
    });
  }

  it("are none where none are asked for", () => {
    assert.deepEqual(selectBytes(pieces, 5, 5), []);
  });
});

describe("bytes of a segment that a viewer does not take", () => {
  /** More than any socket holds on its way. */
  const pieces = [new Uint8Array(32_000_000)];
  let closed: PromiseWithResolvers<readonly [isWhole: boolean, counted: number]>;
  let server: Server | Http2Server;

  beforeEach(() => {
    closed = Promise.withResolvers();
  });

  const serve = (response: ServerResponse) => {
    let counted = 0;
    const count = (from: number, to: number) => {
      counted += to - from;
    };
    const body = countedBody(pieces, 0, response, count, 200) as Readable;
    response.once("close", () => closed.resolve([response.writableFinished, counted]));
    body.pipe(response);
  };
  afterEach(() => server.close());

  for (const [protocol, create] of [
    ["HTTP/1.1", () => createServer((_, response) => serve(response))],
    ["HTTP/2", () => createHttp2Server((_, response) => serve(response as unknown as ServerResponse))],
  ] as const) {
    it(`are let go of by ${protocol}, and what went out is counted`, async () => {
      server = create().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      // Its head is read, and nothing else.
      const over = protocol === "HTTP/2" ? await askHttp2(port) : await askHttp1(port);
      const [isWhole, counted] = await closed.promise;
      assert.ok(!isWhole && counted > 0 && counted < pieces[0]!.length, `${isWhole} ${counted}`);
      over();
    });
  }

  async function askHttp1(port: number): Promise<() => void> {
    const asked = request({ port, host: "127.0.0.1", agent: false }).end();
    asked.on("error", () => {});
    const [answer] = (await once(asked, "response")) as [Readable];
    answer.on("error", () => {});
    return () => asked.destroy();
  }

  async function askHttp2(port: number): Promise<() => void> {
    const session = connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => {});
    await once(stream, "response");
    return () => session.destroy();
  }
});
