import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe as inWords } from "@leat/node/cli/commands/inspect.ts";
import { goodMaster } from "../../../support/broken-playlists.ts";

const main = resolve(import.meta.dirname, "../../../../node/cli/main.ts");

async function inspect(...args: string[]): Promise<{ code: number; printed: string }> {
  const child = spawn(process.execPath, [main, "inspect", ...args, "--json"], { stdio: ["ignore", "pipe", "ignore"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { code, printed };
}

describe("leat inspect", () => {
  let server: Server;
  let url: string;
  let playlist = "";

  before(async () => {
    server = createServer((request, response) => {
      response.statusCode = request.url === "/master.m3u8" ? 200 : 404;
      const refusal = JSON.stringify({ error: { code: "HLS_STREAM_UNKNOWN", message: "no such stream" } });
      response.end(request.url === "/master.m3u8" ? playlist : request.url === "/none/master.m3u8" ? refusal : "");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/master.m3u8`;
  });
  after(() => server.close());

  it("prints what breaks a rule and ends with 1", async () => {
    playlist = goodMaster.replace("#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-VERSION:7\n");
    const { code, printed } = await inspect(url, "--reloads", "0");
    assert.equal(code, 1);
    const { findings } = JSON.parse(printed) as { findings: { rule: string; url: string; line?: number }[] };
    assert.deepEqual([...new Set(findings.map(({ rule }) => rule))], ["file-missing", "tag-duplicate"]);
    assert.deepEqual(findings.at(-1), { rule: "tag-duplicate", line: 3, found: "EXT-X-VERSION", url });
  });

  it("tells what the server said where there is nothing, once", async () => {
    const none = url.replace("/master", "/none/master");
    const { code, printed } = await inspect(none, "--reloads", "2");
    const { findings } = JSON.parse(printed);
    const [rule, found] = ["file-missing", "HTTP 404 HLS_STREAM_UNKNOWN"];
    assert.deepEqual([code, findings], [1, [{ rule, found, url: none }]]);
  });

  it("refuses what is no address of the web", async () => {
    const { code, printed } = await inspect("file:///etc/passwd");
    assert.equal(code, 1);
    assert.match(printed, /CLI_INSPECT_ADDRESS_INVALID/);
  });

  it("says in words where, what, and what the rule asks for", () => {
    const finding = { url: "http://a/b.m3u8", line: 7, rule: "part-too-long", found: "3.0.m4s: 0.6" } as const;
    assert.equal(
      inWords([finding], 1, 4),
      "http://a/b.m3u8:7\n  broken part-too-long: 3.0.m4s: 0.6\n  a part is at most PART-TARGET long\n" +
        "1 media playlists and 4 files read; 1 broken, 0 of advice",
    );
  });
});
