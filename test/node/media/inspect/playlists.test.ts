import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkDelta, checkReload } from "@leat/node/media/inspect/check-reload.ts";
import {
  brokenPlaylists,
  goodDeltas,
  goodLive,
  goodPlaylists,
  goodReloads,
} from "../../../support/broken-playlists.ts";

describe("playlist inspection", () => {
  for (const [name, playlist] of Object.entries(goodPlaylists)) {
    it(`passes ${name}`, () => assert.deepEqual(checkPlaylist(playlist), []));
  }

  it("passes what follows as it must", () => {
    for (const [before, after] of goodReloads) assert.deepEqual(checkReload(before, after), []);
    for (const [held, update, whole] of goodDeltas) assert.deepEqual(checkDelta(held, update, whole), []);
  });

  for (const { rule, name, check } of brokenPlaylists) {
    it(`refuses as ${rule}: ${name.replaceAll("\n", " ")}`, () => {
      assert.deepEqual([...new Set(check().map((finding) => finding.rule))], [rule]);
    });
  }

  it("says in which line, and what stands there", () => {
    const [finding] = checkPlaylist(goodLive.replace("#EXTINF:4.00000,\n11", "#EXTINF:9.00000,\n11"));
    assert.deepEqual(finding, { rule: "target-duration-exceeded", line: 18, found: "11.m4s: 9" });
  });

  it("comes to the end of attributes that cannot be read", () => {
    for (const value of ["x", "BANDWIDTH=1,x", "BANDWIDTH=1 x", 'x=",BANDWIDTH=1', " ".repeat(100_000)]) {
      const rules = checkPlaylist(`#EXTM3U\n#EXT-X-STREAM-INF:${value}\na.m3u8\n`).map(({ rule }) => rule);
      assert.ok(rules.includes("attribute-syntax"), value);
    }
  });
});
