import assert from "node:assert/strict";
import { createLogger, type LogOptions } from "@leat/node/kernel/logger.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";

function capture(level: LogOptions["level"] = "info") {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { logger, lines };
}

describe("kernel/logger", () => {
  it("writes one JSON line with the phrase, its facts and the child's facts", () => {
    const { logger, lines } = capture();
    logger.child({ jobId: "7" }).info("Collect vouchers", { buyers: 12, amount: 5n });
    assert.equal(lines.length, 1);
    const { time, ...rest } = lines[0]!;
    assert.equal(typeof time, "string");
    assert.deepEqual(rest, { level: 30, jobId: "7", buyers: 12, amount: "5", msg: "Collect vouchers" });
  });

  it("hides secrets in lines, in children and below the surface", () => {
    const { logger, lines } = capture();
    logger.child({ token: "t-1" }).warn("Refuse request", {
      streamKey: "s-2",
      headers: { Authorization: "a-3", host: "h" },
      list: [{ secret: "x-4", key: "k-5" }],
    });
    const text = JSON.stringify(lines);
    for (const secret of ["t-1", "s-2", "a-3", "x-4", "k-5"]) assert.ok(!text.includes(secret), secret);
    assert.deepEqual(lines[0]!.headers, { Authorization: "***", host: "h" });
    assert.equal(lines[0]!.token, "***");
  });

  it("writes nothing below its level", () => {
    const { logger, lines } = capture("warn");
    logger.info("Stay quiet");
    logger.debug("Stay quiet");
    logger.error("Say it");
    assert.deepEqual(
      lines.map((line) => line.msg),
      ["Say it"],
    );
  });

  it("writes a coded error by its facts and a bug with its stack", () => {
    const { logger, lines } = capture();
    logger.error("Fail", { error: new CodedError({ code: "TEST_SHORT", held: 4n }) });
    logger.error("Fail", { error: new Error("bug") });
    assert.deepEqual(lines[0]!.error, { code: "TEST_SHORT", held: "4", message: "TEST_SHORT: held=4" });
    assert.match((lines[1]!.error as { stack: string }).stack, /logger\.test/);
  });

  it("writes bytes by their size and survives a ring", () => {
    const { logger, lines } = capture();
    const ring: Record<string, unknown> = { data: new Uint8Array(9) };
    ring.self = ring;
    logger.info("Look", { ring });
    assert.equal((lines[0]!.ring as { data: string }).data, "9 bytes");
  });
});
