import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJsonFile } from "@leat/node/cli/json-file.ts";
import { explainError } from "@leat/node/texts/table.ts";
import { playbackRequestSchema } from "@leat/sdk/protocol/playback.ts";
import { restreamTargetsSchema } from "@leat/sdk/protocol/restream.ts";
import type { TSchema } from "typebox";

describe("a file that a command is given", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-json-file-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function read(schema: TSchema, content: string): Promise<unknown> {
    const path = join(folder, "given.json");
    await writeFile(path, content);
    return readJsonFile({ name: "given", path, schema, page: "docs/buyers/send-on.md" }).catch((error) => {
      assert.match(error.code, /^CLI_FILE_/);
      return explainError(error).replace(path, "FILE");
    });
  }

  const target = { name: "one", url: "rtmp://live.example/app/hushed" };
  const key = { kid: "a", alg: "ES256", publicKey: "x" };
  const misfits: readonly (readonly [schema: TSchema, value: unknown, said: string])[] = [
    [restreamTargetsSchema, {}, "what it holds must be array"],
    [restreamTargetsSchema, [target, { name: "two" }], "[1].url is missing"],
    [restreamTargetsSchema, [{ ...target, rng: "720p" }], "no field is called [0].rng"],
    [restreamTargetsSchema, [{ ...target, url: "hushed words" }], "[0].url must match pattern"],
    [playbackRequestSchema, { type: "jwks", keys: [key] }, 'type must be "public" or "jwt" or "webhook"'],
    [playbackRequestSchema, null, 'type must be "public" or "jwt" or "webhook"'],
    [
      playbackRequestSchema,
      { type: "jwt", keys: [{ ...key, alg: "RS256" }] },
      'keys[0].alg must be "ES256" or "EdDSA"',
    ],
    [playbackRequestSchema, { type: "webhook", url: "https://a.example/" }, "secret is missing"],
    [
      playbackRequestSchema,
      { type: "webhook", url: "https://a.example/", secret: "hushed" },
      "secret must match pattern",
    ],
  ];
  it("is refused by the field that does not fit, and nothing of its content is told", async () => {
    for (const [schema, value, said] of misfits) {
      const message = String(await read(schema, JSON.stringify(value)));
      const head = `the given file FILE does not fit: ${said}`;
      assert.equal(message.slice(0, head.length), head);
      assert.match(message, /; docs\/buyers\/send-on\.md shows its form$/);
      assert.doesNotMatch(message, /hushed/);
    }
    assert.match(
      String(await read(restreamTargetsSchema, "[{")),
      /the given file FILE cannot be read: .*; correct the path, or the file$/,
    );
    const gone = { name: "given", path: join(folder, "gone.json"), schema: restreamTargetsSchema, page: "x" };
    await assert.rejects(readJsonFile(gone), {
      detail: { code: "CLI_FILE_UNREADABLE", name: "given", path: gone.path, reason: "ENOENT" },
    });
    assert.deepEqual(await read(restreamTargetsSchema, JSON.stringify([target])), [target]);
  });
});
