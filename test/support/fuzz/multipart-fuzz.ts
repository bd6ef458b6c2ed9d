import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { type MultipartPart, readMultipart } from "@leat/transcoder/engines/livepeer/multipart-reader.ts";
import { multipart } from "../gateway-server.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { type FuzzCasesReport, fuzzCases } from "./fuzz-cases.ts";
import { cutUp, mutate, pick, pickOne } from "./mutate.ts";

const limits = { maxParts: 3, maxPartBytes: 200 };
const BOUNDARY = "4f2a09d1c7b3e8556a01";
const MARK = Buffer.from(`\r\n--${BOUNDARY}`);
/** As much as heads and parts may have together, and their marks. */
const MOST_BYTES = (limits.maxParts + 1) * (8_192 + limits.maxPartBytes + 100);

const made = (sizes: readonly number[]) =>
  multipart(
    sizes.map((size, index) => ({
      name: `r${index}`,
      type: "video/mp2t",
      ending: "3.ts",
      // Packets whose filling begins as a boundary does.
      data: Buffer.alloc(size, Buffer.from("G@\0\u0010\r\n--4f")),
    })),
    BOUNDARY,
  ).body;
const seeds = [made([]), made([188]), made([94, 0, 188]), made([188, 188, 188, 188]), made([400])];
const types = [`multipart/mixed; boundary=${BOUNDARY}`, `Multipart/Mixed; boundary="${BOUNDARY}"; charset=x`];

/** Answers of a gateway: each is read as a whole and in pieces, which must come to the same. Brings parts. */
export function fuzzMultipart(cases: number, seed: number): Promise<FuzzCasesReport> {
  return fuzzCases(cases, seed, async (random) => {
    const body = Buffer.from(mutate(random, pickOne(random, seeds), pickOne(random, seeds)));
    const type = random.next() < 0.1 ? toText(mutateType(random)) : pickOne(random, types);
    const whole = await read(type, [body]);
    const pieces = cutUp(random, body, pickOne(random, [2, 40, 5_000])).map((piece) => Buffer.from(piece));
    assert.deepEqual(await read(type, pieces), whole);
    if (whole instanceof Error) throw whole;
    if (types.includes(type)) check(whole, body);
    return whole.length;
  });
}

/** What came of it: a refusal that is to be expected is a value here. */
async function read(type: string, pieces: readonly Buffer[]): Promise<readonly MultipartPart[] | Error> {
  let given = 0;
  const source = async function* () {
    for (const piece of pieces) {
      // Nothing is asked for behind what may be held.
      assert.ok(given <= MOST_BYTES, `${given} bytes were asked for`);
      given += piece.length;
      yield piece;
    }
  };
  try {
    return await readMultipart(type, source(), limits);
  } catch (error) {
    if (isCodedError(error)) return error;
    throw error;
  }
}

/** Parts within their limits, as they stand in the answer, one behind the other. */
function check(parts: readonly MultipartPart[], answer: Buffer): void {
  assert.ok(parts.length <= limits.maxParts);
  let from = 0;
  for (const { headers, body } of parts) {
    assert.ok(body.length <= limits.maxPartBytes && !body.includes(MARK));
    assert.ok(headers.size > 0 && !headers.has(""));
    assert.equal(Number(headers.get("content-length") ?? body.length), body.length);
    const at = answer.indexOf(Buffer.concat([Buffer.from("\r\n\r\n"), body, MARK]), from);
    assert.ok(at >= from);
    from = at + body.length + 4;
  }
}

function mutateType(random: SeededRandom): Uint8Array {
  const [first, second] = types.map((type) => new TextEncoder().encode(type)) as [Uint8Array, Uint8Array];
  return pick(random, 2) === 0 ? mutate(random, first, second) : mutate(random, second, first);
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
