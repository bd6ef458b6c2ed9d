import assert from "node:assert/strict";
import { Authorization } from "@leat/node/media-io/rtsp/authorization.ts";

const mufasa = { username: "Mufasa", password: "Circle of Life" };
const fields = (header: string) =>
  new Map([...header.matchAll(/(\w+)="?([^",]*)"?/g)].map(([, name, value]) => [name!, value!]));

describe("rtsp authorization", () => {
  // The examples of RFC 7616, 3.9.1, whose password is another than that of RFC 2617.
  const offer = (algorithm: string) =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
  const nonce = () => "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

  it("answers as the standard's examples do", () => {
    const known = [
      ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
      ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
    ] as const;
    for (const [algorithm, response] of known) {
      const header = Authorization.choose([offer(algorithm)], mufasa, nonce)!.header("GET", "/dir/index.html");
      assert.equal(fields(header).get("response"), response);
      assert.deepEqual([fields(header).get("nc"), fields(header).get("qop")], ["00000001", "auth"]);
    }
  });

  it("takes the best of what is offered, counts what it answers, and knows no other ways", () => {
    const chosen = Authorization.choose(['Basic realm="x"', offer("MD5"), offer("SHA-256")], mufasa)!;
    assert.match(chosen.header("PLAY", "rtsp://h"), /algorithm=SHA-256/);
    assert.match(chosen.header("PLAY", "rtsp://h"), /nc=00000002/);
    assert.match(
      Authorization.choose([offer("MD5-sess"), 'basic realm="x"'], mufasa)!.header("PLAY", "x"),
      /^Basic TXVm/,
    );
    const none = ["Bearer", offer("MD5-sess"), 'Digest realm="x"', 'Digest nonce="x", qop="auth-int"', ""];
    assert.equal(Authorization.choose(none, mufasa), undefined);
  });

  it("does not read what is longer than any offer", () => {
    const padded = (sizeBytes: number) => offer("MD5").padEnd(sizeBytes, "a");
    assert.match(Authorization.choose([padded(4_096)], mufasa)!.header("PLAY", "x"), /^Digest /);
    assert.equal(Authorization.choose([padded(4_097)], mufasa), undefined);
    assert.match(Authorization.choose([padded(4_097), "Basic"], mufasa)!.header("PLAY", "x"), /^Basic /);
  });

  it("writes on one line, whatever a name or a server holds", () => {
    const odd = { username: 'a"b\\c\r\nX: y', password: "z" };
    const header = Authorization.choose(['Digest realm="q\\"r", nonce=plain'], odd)!.header("PLAY", "rtsp://h");
    assert.ok(
      header.startsWith('Digest username="a\\"b\\\\cX: y", realm="q\\"r", nonce="plain", uri="rtsp://h", response="'),
    );
  });
});
