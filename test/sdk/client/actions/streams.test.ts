import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type ApiCaller,
  createStream,
  getStream,
  listReceipts,
  listStreams,
} from "../../../../sdk/client/actions/streams.ts";
import { getPlayback } from "../../../../sdk/client/actions/watch.ts";
import { hashRequest, parseApiRequest } from "../../../../sdk/protocol/api-request.ts";
import { createDomain } from "../../../../sdk/protocol/eip712.ts";
import { apiRequestStructure } from "../../../../sdk/protocol/signed.ts";
import { nobleStatements } from "../../../../sdk/protocol/statements.ts";

interface Heard {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

const escrow = `0x${"11".repeat(20)}` as const;
const other = `0x${"22".repeat(20)}` as const;
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(3));

describe("stream actions", () => {
  let server: Server;
  let caller: ApiCaller;
  let heard: Heard[];
  let answer: (heard: Heard) => { status: number; body: unknown };

  beforeEach(async () => {
    heard = [];
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method = "", url = "", headers } = request;
      heard.push({ method, target: url, headers, body: Buffer.concat(chunks) });
      const { status, body } = answer(heard.at(-1)!);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const clusterUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tokens = { LPT: other, USDC: other };
    const registries = { operatorRegistry: other, clusterRegistry: other, accessManager: other, stakeToken: other };
    const deployment = { chainId: 31337, escrow, ...registries, tokens, deployedAtBlock: 0n };
    caller = { client: { clusterUrl, deployment }, cluster: 7n, signer };
  });

  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it("sign exactly what they send, each call anew", async () => {
    answer = () => ({ status: 201, body: { slug: "s" } });
    const request = { ladder: [], token: other, unsignedBudgetBytes: 12n };
    await createStream(caller, request, "key-1");
    await createStream(caller, request, "key-1");
    const nonces = new Set<string>();
    for (const { method, target, headers, body } of heard) {
      const signed = parseApiRequest(headers.authorization!);
      nobleStatements.verifySigned(apiRequestStructure, createDomain(31337, escrow), signed, signer.address);
      assert.equal(signed.value.cluster, 7n);
      assert.equal(signed.value.requestHash, hashRequest({ method, target, body }));
      assert.equal(headers["idempotency-key"], "key-1");
      assert.equal(JSON.parse(body.toString()).unsignedBudgetBytes, "12");
      nonces.add(signed.value.nonce);
    }
    assert.equal(nonces.size, 2);
  });

  it("give the cluster's own code for a refusal", async () => {
    answer = () => ({ status: 402, body: { error: { code: "BUYER_UNFUNDED", message: "too little" } } });
    await assert.rejects(getStream(caller, "abc"), {
      detail: { code: "API_REFUSED", reason: "BUYER_UNFUNDED", status: 402 },
    });
    answer = () => ({ status: 404, body: { error: { code: "ROUTE_UNKNOWN", message: "nothing is served here" } } });
    await assert.rejects(
      getStream(caller, "abc"),
      /nothing is served here; look at the cluster's address http:\/\/127/,
    );
  });

  it("say when nobody answers", async () => {
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(getStream(caller, "abc"), (error: { code: string }) => error.code === "API_UNREACHABLE");
  });

  it("read every page of receipts once, also where a page ends within a millisecond", async () => {
    const all = Array.from({ length: 450 }, (_, at) => ({ hash: `0x${at}`, receivedAtMs: Math.floor(at / 300) + 1 }));
    answer = ({ target }) => {
      const query = new URL(target, "http://x").searchParams;
      const before = query.get("before");
      const from = all.findIndex(({ hash, receivedAtMs }) => `${receivedAtMs}.${hash}` === before) + 1;
      return { status: 200, body: { receipts: all.slice(from, from + Number(query.get("limit"))) } };
    };
    const read: unknown[] = [];
    for await (const receipt of listReceipts(caller, "abc")) read.push(receipt);
    assert.deepEqual(read, all);
  });

  it("list every stream once, page by page as far as they are read", async () => {
    const all = Array.from({ length: 450 }, (_, at) => ({ id: `0x${at}`, createdAtMs: 9 - Math.floor(at / 300) }));
    answer = ({ target }) => {
      const query = new URL(target, "http://x").searchParams;
      const from = all.findIndex(({ id, createdAtMs }) => `${createdAtMs}.${id}` === query.get("before")) + 1;
      return { status: 200, body: { streams: all.slice(from, from + Number(query.get("limit"))) } };
    };
    const read = async (most: number) => {
      const found: unknown[] = [];
      for await (const stream of listStreams(caller)) if (found.push(stream) >= most) break;
      return found;
    };
    assert.deepEqual(await read(1_000), all);
    assert.equal(heard.length, 3);
    assert.equal((await read(200)).length, 200);
    assert.equal(heard.length, 4);
  });

  it("tell a stream that plays nowhere from one that plays", async () => {
    const nowhere = { stream: "s", state: "created", primary: null, fallback: null };
    answer = () => ({ status: 200, body: nowhere });
    await assert.rejects(getPlayback(caller.client, "abc"), { detail: { code: "WATCH_NOWHERE", state: "created" } });
    answer = () => ({ status: 200, body: { ...nowhere, state: "live", primary: { hls: "http://e/m.m3u8" } } });
    assert.equal((await getPlayback(caller.client, "abc")).primary.hls, "http://e/m.m3u8");
  });
});
