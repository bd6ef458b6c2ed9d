import assert from "node:assert/strict";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { FoundAddress } from "@leat/node/kernel/net/name-lookup.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import { type PullOptions, pullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { maskSource } from "@leat/node/media-io/pull/source-url.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { SourceServer } from "../../../support/source-server.ts";

const never = new AbortController().signal;
const here = { allow: ["127.0.0.1"] };
const nobody = async (): Promise<FoundAddress[]> => assert.fail("looked up");

function open(options: Partial<PullOptions> = {}, resolve: (host: string) => Promise<FoundAddress[]> = nobody) {
  return new Outbound(defaultsOf(pullOptions, options), resolve);
}

const refusal = (code: string) => (error: unknown) => error instanceof PullError && error.code === code;

/** Each by its own code; all of these lead to this machine, its network, or nowhere. */
const refused: readonly (readonly [name: string, code: string, hosts: readonly string[]])[] = [
  ["loopback", "PULL_ADDRESS_LOOPBACK", ["127.0.0.1", "127.255.255.254", "[::1]"]],
  ["private ranges", "PULL_ADDRESS_PRIVATE", ["10.0.0.1", "172.16.0.1", "172.31.9.9", "192.168.1.1", "[fd00::1]"]],
  ["shared addresses of carriers", "PULL_ADDRESS_SHARED", ["100.64.0.1", "100.127.255.255"]],
  ["link-local addresses", "PULL_ADDRESS_LINK_LOCAL", ["169.254.169.254", "[fe80::1]"]],
  ["multicast", "PULL_ADDRESS_MULTICAST", ["224.0.0.1", "239.255.255.255", "[ff02::1]"]],
  ["IPv4 mapped into IPv6", "PULL_ADDRESS_MAPPED", ["[::ffff:127.0.0.1]", "[::ffff:a00:1]", "[::ffff:8.8.8.8]"]],
  ["NAT64", "PULL_ADDRESS_NAT64", ["[64:ff9b::7f00:1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::1]"]],
  [
    "addresses of nobody",
    "PULL_ADDRESS_RESERVED",
    ["0.0.0.0", "255.255.255.255", "198.18.0.1", "[::]", "[2002:7f00:1::]"],
  ],
];

describe("the policy of pulls", () => {
  let server: SourceServer;
  /** Another address of this machine, which the policy does not name. */
  let inner: SourceServer;

  before(async () => {
    server = await SourceServer.open();
    inner = await SourceServer.open("127.0.0.2");
  });
  after(() => {
    server.close();
    inner.close();
  });
  beforeEach(() => {
    for (const list of [server.asked, inner.asked, server.authorizations, inner.authorizations]) list.length = 0;
    server.answer = (_request, response) => response.end("media");
    inner.answer = (_request, response) => response.end("secret");
  });

  for (const [name, code, hosts] of refused) {
    it(`refuses ${name}`, async () => {
      for (const host of hosts) {
        await assert.rejects(open().check(`http://${host}:1/x`, never), refusal(code), host);
        await assert.rejects(open().get(new URL(`http://${host}:1/x`), never), refusal(code), host);
      }
    });
  }

  it("refuses loopback in every spelling", async () => {
    for (const host of [
      "2130706433",
      "0x7f.0.0.1",
      "0177.0.0.1",
      "127.1",
      "0x7f000001",
      "127.0.0.1.",
      "%31%32%37.0.0.1",
    ]) {
      await assert.rejects(
        open().check(`http://${host}:${server.port}/`, never),
        refusal("PULL_ADDRESS_LOOPBACK"),
        host,
      );
    }
    assert.deepEqual(server.asked, []);
  });

  it("refuses files and every other scheme", async () => {
    const texts = [
      "file:///etc/passwd",
      "FILE:/etc/passwd",
      "ftp://8.8.8.8/",
      "gopher://8.8.8.8/",
      "data:video/mp2t,G",
    ];
    for (const text of [...texts, "concat:a|b", "unix:/run/x", "pipe:0", "udp://239.0.0.1:1234", "blob:http://x/"]) {
      await assert.rejects(open().check(text, never), refusal("PULL_SCHEME_REFUSED"), text);
    }
    for (const text of [
      "",
      "//8.8.8.8/",
      "http:",
      "http://",
      "http:///x",
      "https:8.8.8.8",
      "http://%zz/",
      "http://a:%ff@8.8.8.8/",
      // Whole only where the two are read as one.
      "http://a%4:1@8.8.8.8/",
      // Read as slashes by some and as letters by others.
      "rtmp://8.8.8.8\\live\\key",
      "rtmp://8.8.8.8/live\\key",
      "rtsp://me:1\\x@8.8.8.8/one",
    ]) {
      await assert.rejects(open().check(text, never), refusal("PULL_URL_INVALID"), text);
    }
  });

  it("refuses a name that leads inside with the same word as one that leads nowhere", async () => {
    const answers = [
      async () => [{ address: "10.0.0.1", family: 4 }],
      async () => [
        { address: "8.8.8.8", family: 4 },
        { address: "::1", family: 6 },
      ],
      async () => [],
      () => Promise.reject(new Error("ENOTFOUND")),
    ];
    for (const answer of answers) {
      await assert.rejects(open({}, answer).check("http://camera.test/", never), refusal("PULL_NAME_REFUSED"));
    }
    await assert.rejects(
      new Outbound(defaultsOf(pullOptions)).check("http://localhost/", never),
      refusal("PULL_NAME_REFUSED"),
    );
  });

  it("refuses a name whose answer changes to an inner address after it was looked at", async () => {
    const answers = ["127.0.0.1", "127.0.0.2"];
    const outbound = open(here, async () => [{ address: answers.shift() ?? "127.0.0.2", family: 4 }]);
    const url = new URL(server.url("/a", "rebinding.test"));
    const { response } = await outbound.get(url, never);
    response.destroy();
    assert.deepEqual([server.asked, inner.asked, answers], [["/a"], [], ["127.0.0.2"]]);
    // The next connection looks again, and goes nowhere.
    await assert.rejects(outbound.get(url, never), refusal("PULL_NAME_REFUSED"));
    assert.deepEqual([server.asked, inner.asked], [["/a"], []]);
  });

  it("refuses a redirect that leads inside", async () => {
    server.answer = (_request, response) => response.writeHead(302, { location: inner.url("/secret") }).end();
    await assert.rejects(open(here).get(new URL(server.url()), never), refusal("PULL_ADDRESS_LOOPBACK"));
    const name = `http://inside.test:${inner.port}/`;
    server.answer = (_request, response) => response.writeHead(307, { location: name }).end();
    const toInner = async () => [{ address: "127.0.0.2", family: 4 }];
    await assert.rejects(open(here, toInner).get(new URL(server.url()), never), refusal("PULL_NAME_REFUSED"));
    assert.deepEqual(inner.asked, []);
  });

  it("refuses a redirect to a file or another scheme", async () => {
    for (const location of ["file:///etc/passwd", "ftp://8.8.8.8/x", "data:video/mp2t,G", "javascript:0"]) {
      server.answer = (_request, response) => response.writeHead(301, { location }).end();
      await assert.rejects(open(here).get(new URL(server.url()), never), refusal("PULL_SCHEME_REFUSED"), location);
    }
  });

  it("refuses a redirect from the protected into the clear", async () => {
    const certificate = makeCertificate("source");
    const before = getCACertificates("default");
    const secure = await SourceServer.open("127.0.0.1", certificate);
    setDefaultCACertificates([...before, certificate.cert]);
    try {
      secure.answer = (_request, response) => response.writeHead(302, { location: server.url() }).end();
      await assert.rejects(open(here).get(new URL(secure.url()), never), refusal("PULL_REDIRECT_INSECURE"));
      assert.deepEqual([secure.asked.length, server.asked.length], [1, 0]);
    } finally {
      setDefaultCACertificates(before);
      secure.close();
    }
  });

  it("refuses more redirects than are allowed, and follows those that are", async () => {
    server.answer = (request, response) => {
      const left = Number(request.url!.slice(1));
      if (left === 0) response.end("media");
      else response.writeHead(308, { location: `/${left - 1}` }).end();
    };
    const outbound = open({ ...here, maxRedirects: 2 });
    const { response, url } = await outbound.get(new URL(server.url("/2")), never);
    response.destroy();
    assert.equal(url.pathname, "/0");
    await assert.rejects(outbound.get(new URL(server.url("/3")), never), refusal("PULL_REDIRECTS_EXCEEDED"));
    assert.deepEqual(server.asked, ["/2", "/1", "/0", "/3", "/2", "/1"]);
  });

  it("gives a source's password to the source alone", async () => {
    const both = { allow: ["127.0.0.0/8"] };
    server.answer = (request, response) => {
      const location = request.url === "/" ? "/again" : inner.url();
      response.writeHead(302, { location }).end();
    };
    const from = new URL(server.url("/"));
    [from.username, from.password] = ["me", "se:cret"];
    const { response } = await open(both).get(from, never);
    response.destroy();
    const basic = `Basic ${Buffer.from("me:se:cret").toString("base64")}`;
    assert.deepEqual([server.authorizations, inner.authorizations], [[basic, basic], [undefined]]);
  });

  it("lets a network pass that the operator names, and no other", async () => {
    const { response } = await open({ allow: ["127.0.0.0/31"] }).get(new URL(server.url()), never);
    response.destroy();
    await assert.rejects(open({ allow: ["127.0.0.0/31"] }).check(inner.url(), never), refusal("PULL_ADDRESS_LOOPBACK"));
    // Not by another way of writing it.
    const mapped = server.url("/", "[::ffff:127.0.0.1]");
    await assert.rejects(open(here).check(mapped, never), refusal("PULL_ADDRESS_MAPPED"));
    await open({ allow: ["fd00:7::/32"] }).check("http://[fd00:7::1]/", never);
  });

  it("bounds the time of a look-up and of an answer", async () => {
    const forever = () => new Promise<never>(() => {});
    const timeout = refusal("PULL_TIMEOUT");
    await assert.rejects(open({ timeoutMs: 100 }, forever).check("http://slow.test/", never), timeout);
    server.answer = () => {};
    await assert.rejects(open({ ...here, timeoutMs: 100 }).get(new URL(server.url()), never), timeout);
  });

  it("takes no answer but 200, and tells one that cannot be reached from one that says no", async () => {
    for (const status of [204, 206, 304, 401, 404, 500]) {
      server.answer = (_request, response) => response.writeHead(status).end();
      await assert.rejects(open(here).get(new URL(server.url()), never), refusal("PULL_STATUS_REFUSED"), `${status}`);
    }
    server.answer = (request) => request.socket.destroy();
    await assert.rejects(open(here).get(new URL(server.url()), never), refusal("PULL_UNREACHABLE"));
  });

  it("shows an address without what is secret in it", () => {
    assert.equal(maskSource("http://me:se@cret@host:80/a?token=1#x"), "http://***@host:80/a?***");
    assert.equal(maskSource("https://host/a.m3u8"), "https://host/a.m3u8");
    assert.equal(maskSource("nothing"), "***");
  });
});
