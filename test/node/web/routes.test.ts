import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FastifyInstance, fastify } from "fastify";
import { addPages } from "../../../node/web/routes.ts";

describe("the pages", () => {
  let dir: string;
  let app: FastifyInstance;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "leat-web-"));
    await mkdir(join(dir, "watch"));
    await writeFile(join(dir, "watch/index.html"), "<title>Watch</title>");
    await writeFile(join(dir, "watch-abc.js"), "1");
    app = fastify();
    await addPages(app, dir);
  });

  afterEach(async () => {
    await app.close();
    await rm(dir, { recursive: true });
  });

  it("show the watch page for any stream, and ask for it anew each time", async () => {
    const answer = await app.inject("/watch/abc");
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["cache-control"], "no-cache");
    assert.match(answer.body, /Watch/);
  });

  it("give a browser the page at a stream's playback URL, and a program the API's answer", async () => {
    const page = await app.inject({ url: "/play/abc", headers: { accept: "text/html,*/*" } });
    assert.match(page.body, /Watch/);
    const program = await app.inject({ url: "/play/abc", headers: { accept: "application/json" } });
    assert.equal(program.statusCode, 307);
    assert.equal(program.headers.location, "/v1/play/abc");
    const withToken = await app.inject({ url: "/play/abc?token=a.b.c", headers: { accept: "application/json" } });
    assert.equal(withToken.headers.location, "/v1/play/abc?token=a.b.c");
  });

  it("serve scripts and nothing outside their folder", async () => {
    assert.equal((await app.inject("/assets/watch-abc.js")).statusCode, 200);
    assert.equal((await app.inject("/assets/../../package.json")).statusCode, 404);
    assert.equal((await app.inject("/assets/%2e%2e/%2e%2e/package.json")).statusCode, 404);
  });

  it("refuse to start without having been built", async () => {
    await assert.rejects(addPages(fastify(), join(dir, "none")), {
      detail: { code: "WEB_PAGES_MISSING", dir: join(dir, "none") },
    });
  });
});
