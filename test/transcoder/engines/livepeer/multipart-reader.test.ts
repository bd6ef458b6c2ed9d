import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { readMultipart } from "@leat/transcoder/engines/livepeer/multipart-reader.ts";
import fc from "fast-check";
import { multipart } from "../../../support/gateway-server.ts";

const limits = { maxParts: 3, maxPartBytes: 100 };

async function* inPieces(body: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length]!;
    // Now and then all else has its turn, the end of a test's time too.
    if (turn % 10_000 === 9_999) await new Promise((resolve) => setImmediate(resolve));
    yield body.subarray(at, at + size);
    at += size;
  }
}

const read = (type: string | undefined, body: Buffer | string, sizes: readonly number[] = [7]) =>
  readMultipart(type, inPieces(Buffer.from(body), sizes), limits);

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => value,
    (error: unknown) => (isCodedError(error) ? error.code : error),
  );
}

const TYPE = "multipart/mixed; boundary=b";
const part = (body: string, head = "A: 1") => `--b\r\n${head}\r\n\r\n${body}`;

describe("transcoder/engines/livepeer/multipart-reader", () => {
  it("reads what a gateway writes, however it is cut on the way", async () => {
    const bytes = fc.uint8Array({ maxLength: limits.maxPartBytes }).map((data) => Buffer.from(data));
    await fc.assert(
      fc.asyncProperty(
        fc.array(bytes, { maxLength: limits.maxParts }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
        async (bodies, sizes) => {
          const parts = bodies.map((data, index) => ({ name: `r${index}`, type: "video/mp2t", ending: "3.ts", data }));
          const { headers, body } = multipart(parts);
          const found = await read(headers["Content-Type"], body, sizes);
          assert.deepEqual(
            found.map(({ headers: own, body: data }) => [own.get("rendition-name"), own.get("content-type"), data]),
            parts.map(({ name, data }) => [name, `video/mp2t; name="${name}_3.ts"`, data]),
          );
        },
      ),
    );
  });

  it("reads a part that comes byte by byte", async () => {
    const body = "x".repeat(300_000);
    const bytes = Buffer.from(`${part(body)}\r\n--b--`);
    const [only] = await readMultipart(TYPE, inPieces(bytes, [1]), { maxParts: 1, maxPartBytes: body.length });
    assert.equal(only?.body.toString(), body);
  });

  it("needs its boundary in the type", async () => {
    for (const type of [
      undefined,
      "",
      "text/plain",
      "multipart/mixed",
      "multipart/mixed; boundary=",
      "multipart/form-data; boundary=b",
    ]) {
      assert.equal(await codeOf(read(type, "")), "TRANSCODE_GATEWAY_ANSWER_INVALID", type);
    }
    const [only] = await read('Multipart/Mixed; boundary="b"; charset=x', `${part("body")}\r\n--b--`);
    assert.equal(only?.body.toString(), "body");
  });

  it("reads nothing behind the closing boundary", async () => {
    assert.deepEqual(await read(TYPE, `--b--${"x".repeat(10_000)}`), []);
  });

  it("tells an answer that is cut at any place", async () => {
    const whole = `${part("first")}\r\n${part("second")}\r\n--b--`;
    for (let end = 0; end < whole.length; end += 1) {
      assert.equal(await codeOf(read(TYPE, whole.slice(0, end))), "TRANSCODE_GATEWAY_ANSWER_CUT", `${end}`);
    }
  });

  it("takes neither more parts, longer parts, longer heads nor a longer beginning than it may", async () => {
    for (const body of [
      `${[1, 2, 3, 4].map((number) => part(String(number))).join("\r\n")}\r\n--b--`,
      `${part("x".repeat(limits.maxPartBytes + 1))}\r\n--b--`,
      part("x".repeat(5_000)),
      part("body", `A: ${"x".repeat(9_000)}`),
      "x".repeat(9_000),
    ]) {
      assert.equal(await codeOf(read(TYPE, body)), "TRANSCODE_GATEWAY_ANSWER_TOO_LARGE");
    }
  });

  it("believes no part that says of itself what is not so", async () => {
    for (const body of [
      `${part("body", "Content-Length: 5")}\r\n--b--`,
      `${part("body", "no header")}\r\n--b--`,
      `${part("body", " : no name")}\r\n--b--`,
      `--b${part("body").slice(3).replace("\r\n", "!!")}\r\n--b--`,
    ]) {
      assert.equal(await codeOf(read(TYPE, body)), "TRANSCODE_GATEWAY_ANSWER_INVALID");
    }
  });
});
