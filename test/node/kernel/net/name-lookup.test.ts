import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNameLookup } from "@leat/node/kernel/net/name-lookup.ts";
import { until } from "../../../support/publish-items.ts";

const HEADER_BYTES = 12;
/** Many more than a process looks up at a time by the system's own way. */
const SILENT = 16;
const [TYPE_A, TYPE_AAAA] = [1, 28];

describe("look-up of names that others chose", () => {
  let server: Socket;
  let servers: string[];
  let folder: string;
  let hostsFile: string;
  /** Names that nobody answers for. */
  let unanswered: number;

  beforeEach(async () => {
    unanswered = 0;
    folder = await mkdtemp(join(tmpdir(), "leat-names-"));
    hostsFile = join(folder, "hosts");
    await writeFile(hostsFile, "# names\n127.0.0.1 localhost\n10.0.0.7\tinner other.INNER # of ours\n::7 inner\n");
    server = createSocket("udp4").bind(0, "127.0.0.1");
    await once(server, "listening");
    servers = [`127.0.0.1:${server.address().port}`];
    server.on("message", (query, { port, address }) => {
      const answer = answerTo(query);
      if (answer === undefined) unanswered += 1;
      else server.send(answer, port, address);
    });
  });

  afterEach(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** `four.test` and `both.test` have addresses, `half.test` one and no answer for the other, `silent…` none at all. */
  function answerTo(query: Buffer): Buffer | undefined {
    const name = nameIn(query);
    const type = query.readUInt16BE(HEADER_BYTES + name.length + 2);
    if (name.startsWith("silent") || (name === "half.test" && type === TYPE_AAAA)) return undefined;
    const question = query.subarray(HEADER_BYTES, HEADER_BYTES + name.length + 2 + 4);
    const data = type === TYPE_A ? Buffer.of(93, 184, 216, 34) : Buffer.from("20010db8".padEnd(32, "0"), "hex");
    const isKnown = name === "four.test" || name === "both.test" || name === "half.test";
    const has = (type === TYPE_A && isKnown) || (type === TYPE_AAAA && name === "both.test");
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(has ? 1 : 0, 6);
    if (!has) return Buffer.concat([header, question]);
    // The name of the question, its type, class IN, a minute, and the address.
    const answer = Buffer.from([0xc0, HEADER_BYTES, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]);
    return Buffer.concat([header, question, answer, data]);
  }

  it("gives all addresses that a name has, by both protocols", async () => {
    const lookUp = createNameLookup({ servers, hostsFile });
    assert.deepEqual(await lookUp("four.test"), [{ address: "93.184.216.34", family: 4 }]);
    assert.deepEqual(await lookUp("both.test"), [
      { address: "93.184.216.34", family: 4 },
      { address: "2001:db8::", family: 6 },
    ]);
    await assert.rejects(lookUp("none.test"), { code: "ENOTFOUND" });
  });

  it("takes what the hosts file says, and asks nobody else then", async () => {
    const lookUp = createNameLookup({ servers, hostsFile });
    const both = [
      { address: "10.0.0.7", family: 4 },
      { address: "::7", family: 6 },
    ];
    assert.deepEqual(await lookUp("Inner"), both);
    assert.deepEqual(await lookUp("other.inner"), both.slice(0, 1));
    await assert.rejects(lookUp("names"), { code: "ENOTFOUND" });
    const without = createNameLookup({ servers, hostsFile: join(folder, "none") });
    assert.equal((await without("four.test")).length, 1);
    assert.equal(unanswered, 0);
  });

  it("waits for no other name, however many get no answer", async () => {
    const lookUp = createNameLookup({ servers, hostsFile, timeoutMs: 20_000 });
    let settled = 0;
    for (let at = 0; at < SILENT; at += 1) {
      void lookUp(`silent${at}.test`)
        .catch(() => {})
        .finally(() => {
          settled += 1;
        });
    }
    await until(() => unanswered >= SILENT);
    assert.equal((await lookUp("four.test")).length, 1);
    assert.equal(settled, 0);
  });

  it("does without the other kind of address where nobody answers for it", async () => {
    const lookUp = createNameLookup({ servers, hostsFile, timeoutMs: 60_000 });
    assert.deepEqual(await lookUp("half.test"), [{ address: "93.184.216.34", family: 4 }]);
  });

  it("gives a name up that nobody answers for", async () => {
    const lookUp = createNameLookup({ servers, hostsFile, timeoutMs: 100 });
    await assert.rejects(lookUp("silent.test"), { code: "ETIMEOUT" });
  });
});

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; query[at] !== 0; at += 1 + query[at]!) {
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]!));
  }
  return labels.join(".");
}
