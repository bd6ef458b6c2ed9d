import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { nameOfHash, parseStreamId } from "@leat/node/media-io/srt/stream-id.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { type FuzzCasesReport, fuzzCases } from "./fuzz-cases.ts";
import { mutate, pickOne } from "./mutate.ts";

const hash = nameOfHash(bytesToHex(createHash("sha256").update("key").digest()));
const seeds = [
  "abc_DEF-123",
  hash,
  `#!::r=${hash},m=publish`,
  "#!::m=publish,u=someone,r=abc_DEF-123,t=stream",
  "#!::m=request,token=a.b-c,r=slug-1/360p",
  "#!::r=slug-1",
  "play:slug-1",
  "play:slug-1/360p",
  "play:slug-1/~a.b-c/360p",
].map((id) => new TextEncoder().encode(id));

/** Each id is a name of bounded length, of which nothing but its letters is left, or refused. Brings names. */
export function fuzzStreamIds(cases: number, seed: number): Promise<FuzzCasesReport> {
  return fuzzCases(cases, seed, (random) => {
    const target = parseStreamId(
      Buffer.from(mutate(random, pickOne(random, seeds), pickOne(random, seeds))).toString(),
    );
    if (target.type === "key") assert.match(target.key, /^[!-~]{1,256}$/);
    else if (target.type === "hash") assert.equal(nameOfHash(target.keyHash).length, hash.length);
    else assert.match(`${target.slug} ${target.rung}`, /^[\w-]{1,64} [\w-]{1,64}$/);
    return 1;
  });
}
