import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe as describeDecision, describeNode, filteredOf } from "@leat/node/cli/commands/explain.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { explain } from "@leat/sdk/selection/explain.ts";
import { defaultParameters } from "@leat/sdk/selection/parameters.ts";
import { createBody, createReceipt } from "@leat/sdk/selection/receipt.ts";
import { createSeedChain, deriveSeed } from "@leat/sdk/selection/seed.ts";
import { select } from "@leat/sdk/selection/selection.ts";
import { createTable } from "@leat/sdk/selection/table.ts";
import { addressOf, makeCandidate, makeRequest } from "../../../support/candidates.ts";
import { runLeat } from "../../../support/run-leat.ts";

const word = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

describe("leat explain", () => {
  it("passes on what the server refused, by its code and its words", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(404, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { code: "SELECTION_UNKNOWN", message: "there is no such decision" } }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { code, stdout } = await runLeat("explain", word(9), "--url", url, "--json");
      const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
      assert.deepEqual([code, error.code, error.reason], [1, "CLI_EXPLAIN_REFUSED", "SELECTION_UNKNOWN"]);
      assert.match(String(error.message), /\(SELECTION_UNKNOWN, 404\): there is no such decision;/);
    } finally {
      server.close();
    }
  });

  it("says who was left out and why, what each of the drawn cost, and who won", () => {
    const rows = [
      makeCandidate(1),
      makeCandidate(2, { draining: true }),
      makeCandidate(3, { overloaded: true }),
      makeCandidate(4, { rttMs: 90 }),
    ];
    const chain = createSeedChain(new Uint8Array(32).fill(3), 8);
    const seed = { epoch: 1, index: 1, preimage: chain.preimage(1), buyerNonce: word(4) };
    const request = makeRequest({ excluded: [{ node: addressOf(1), reason: "ORIGIN" }] });
    const parameters = defaultParameters;
    const facts = { job: word(5), attempt: 1, cluster: 1n, seed, request, parameters, decidedAt: 1n };
    const selection = select({
      table: createTable(rows, parameters),
      request,
      seed: deriveSeed(seed.preimage, seed.buyerNonce, facts.job, 1),
      parameters,
    });
    const body = createBody(facts, selection);
    const receipt = createReceipt(facts, selection, body);
    const text = describeDecision(word(6), receipt, body, explain({ receipt, body, rows }), filteredOf(body, rows));
    assert.deepEqual(text.split("\n").slice(1), [
      `wanted: transcode of h264, 1000000 units of capacity, for job ${word(5)} attempt 1`,
      "4 nodes were known",
      "  1 were excluded",
      "  1 take no new work",
      `    ${addressOf(2)}`,
      "  1 are overloaded",
      `    ${addressOf(3)}`,
      `    ${addressOf(1)} was excluded: ORIGIN`,
      "1 passed; this decision was for standing nodes",
      "1 drawn by capacity out of 100000000 tickets, the cheapest first:",
      "  (10000 points are the whole of a usual price)",
      `  ${addressOf(4)} (100000000 tickets) costs 17100 points: price 10000, round trip 900, load 200, reputation 5000, has to fetch the stream 1000`,
      `winner: ${addressOf(4)}`,
      "made again from the published table: the same",
    ]);
  });

  it("names the drawn order of an ingest, and what it was for a node", () => {
    const rows = [makeCandidate(1), makeCandidate(2, { rttMs: 90 }), makeCandidate(3, { draining: true })];
    const chain = createSeedChain(new Uint8Array(32).fill(3), 8);
    const seed = { epoch: 1, index: 1, preimage: chain.preimage(1), buyerNonce: word(4) };
    const request = makeRequest({
      primitive: "ingest",
      codecs: [],
      units: 1,
      excluded: [{ node: addressOf(9), reason: "CHOSEN" }],
    });
    const parameters = defaultParameters;
    const facts = { job: word(5), attempt: 1, cluster: 1n, seed, request, parameters, decidedAt: 1n };
    const drawSeed = deriveSeed(seed.preimage, seed.buyerNonce, facts.job, 1);
    const selection = select({ table: createTable(rows, parameters), request, seed: drawSeed, parameters });
    const body = createBody(facts, selection);
    const receipt = createReceipt(facts, selection, body);
    const [first, second] = body.drawn.map(({ node }) => node);
    const filtered = filteredOf(body, rows);
    const text = describeDecision(word(6), receipt, body, explain({ receipt, body, rows }), filtered);
    assert.ok(text.includes(`\n  first ${first}\n  second ${second}\n`), text);
    assert.equal(
      describeNode(second!, body, rows, filtered),
      `${second} is the second of the drawn order: used where the first left`,
    );
    assert.match(describeNode(addressOf(9), body, rows, filtered), /was excluded: CHOSEN$/);
    assert.match(
      describeNode(addressOf(3), body, rows, filtered),
      /was left out, as one of those that take no new work$/,
    );
    assert.match(describeNode(addressOf(8), body, rows, filtered), /not known to the balancer then$/);
  });
});
