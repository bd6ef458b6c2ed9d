import assert from "node:assert/strict";
import { createHmac, createPublicKey, sign } from "node:crypto";
import { checkClaims, plainAddress, readToken, type Viewer } from "@leat/node/media-io/access/token.ts";
import { MAX_TOKEN_SECONDS } from "@leat/sdk/protocol/playback.ts";
import fc from "fast-check";
import { makePlaybackSigner } from "../../../support/playback-keys.ts";

const nowMs = 1_700_000_000_000;
const now = nowMs / 1_000;
const names = ["0xabc", "the-slug"];
const good = { sub: "the-slug", exp: now + 600, iat: now };
const es = makePlaybackSigner("ES256", "es");
const ed = makePlaybackSigner("EdDSA", "ed");
const keys = [es.key, ed.key];

const admit = (token: string, viewer: Viewer = {}) => checkClaims(readToken(token, keys), names, viewer, nowMs);
const refused = (token: string, code: string, viewer: Viewer = {}) =>
  assert.throws(() => admit(token, viewer), { code }, code);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token with any header over any payload, signed by the EdDSA key. */
const forge = (header: object, payload: unknown = good) => {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${sign(null, Buffer.from(text), ed.privateKey).toString("base64url")}`;
};

describe("playback token", () => {
  it("lets in who holds one of either algorithm, by the id and by the slug", () => {
    for (const signer of [es, ed]) for (const sub of names) admit(signer.sign({ ...good, sub }));
  });

  it("reads what WebCrypto signs", async () => {
    const text = `${encode({ alg: "ES256", kid: "es" })}.${encode(good)}`;
    const pkcs8 = es.privateKey.export({ type: "pkcs8", format: "der" });
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, Buffer.from(text));
    admit(`${text}.${Buffer.from(signature).toString("base64url")}`);
  });

  it("refuses a token without or beyond its time, with a code for each", () => {
    refused(ed.sign({ sub: "the-slug" }), "PLAYBACK_TOKEN_INVALID");
    refused(ed.sign({ ...good, exp: now - 60 }), "PLAYBACK_TOKEN_EXPIRED");
    admit(ed.sign({ ...good, exp: now - 59, iat: now - 600 }));
    refused(ed.sign({ ...good, nbf: now + 61 }), "PLAYBACK_TOKEN_EARLY");
    refused(ed.sign({ ...good, iat: now + 61 }), "PLAYBACK_TOKEN_EARLY");
    refused(ed.sign({ ...good, exp: now + MAX_TOKEN_SECONDS + 1 }), "PLAYBACK_TOKEN_LIFETIME_LONG");
    refused(ed.sign({ sub: "the-slug", exp: now + 2 * MAX_TOKEN_SECONDS }), "PLAYBACK_TOKEN_LIFETIME_LONG");
    for (const exp of ["1700000600", Number.MAX_VALUE * 2, -1, null]) {
      refused(ed.sign({ ...good, exp }), "PLAYBACK_TOKEN_INVALID");
    }
  });

  it("refuses another stream's token, and one that names none", () => {
    refused(ed.sign({ ...good, sub: "other-slug" }), "PLAYBACK_TOKEN_STREAM_WRONG");
    refused(ed.sign({ exp: good.exp }), "PLAYBACK_TOKEN_INVALID");
  });

  it("binds to an address in any spelling, and to an origin", () => {
    const bound = ed.sign({ ...good, ip: ["192.0.2.7", "2001:DB8:0::1"] });
    for (const address of ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"]) admit(bound, { address });
    refused(bound, "PLAYBACK_TOKEN_ADDRESS_WRONG", { address: "192.0.2.8" });
    const page = ed.sign({ ...good, origin: "https://example.org" });
    admit(page, { origin: "https://example.org" });
    refused(page, "PLAYBACK_TOKEN_ORIGIN_WRONG", { origin: "https://example.org.evil.test" });
    refused(page, "PLAYBACK_TOKEN_ORIGIN_WRONG");
    for (const ip of [[], "", "nowhere", 7, ["192.0.2.7", 7]])
      refused(ed.sign({ ...good, ip }), "PLAYBACK_TOKEN_INVALID");
  });

  it("lets the header choose nothing: no `none`, no HMAC over the public key, no key of another kind", () => {
    refused(forge({ alg: "none", kid: "ed" }), "PLAYBACK_TOKEN_INVALID");
    refused(`${encode({ alg: "none", kid: "ed" })}.${encode(good)}.`, "PLAYBACK_TOKEN_INVALID");
    const spki = createPublicKey(es.privateKey).export({ type: "spki", format: "pem" });
    const text = `${encode({ alg: "HS256", kid: "es" })}.${encode(good)}`;
    refused(`${text}.${createHmac("sha256", spki).update(text).digest("base64url")}`, "PLAYBACK_TOKEN_INVALID");
    refused(forge({ alg: "EdDSA", kid: "es" }), "PLAYBACK_TOKEN_INVALID");
    refused(forge({ alg: "EdDSA" }), "PLAYBACK_TOKEN_KEY_UNKNOWN");
    refused(forge({ alg: "EdDSA", kid: "gone" }), "PLAYBACK_TOKEN_KEY_UNKNOWN");
    refused(forge({ alg: "EdDSA", kid: "ed", crit: ["b64"], b64: false }), "PLAYBACK_TOKEN_INVALID");
    refused(forge({ alg: "EdDSA", kid: "ed", typ: "JWE" }), "PLAYBACK_TOKEN_INVALID");
    const stranger = makePlaybackSigner("ES256", "es");
    refused(stranger.sign(good), "PLAYBACK_TOKEN_SIGNATURE_WRONG");
    refused(forge({ alg: "EdDSA", kid: "ed" }, [good]), "PLAYBACK_TOKEN_INVALID");
    refused(ed.sign({ ...good, more: "x".repeat(2_048) }), "PLAYBACK_TOKEN_INVALID");
  });

  it("takes no token of which one character was changed", () => {
    const token = es.sign(good);
    const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...chars), (at, char) => {
        const changed = token.slice(0, at) + char + token.slice(at + 1);
        const isSameBytes =
          changed.split(".").length === 3 &&
          changed.split(".").every((part, index) => {
            const [mine, theirs] = [part, token.split(".")[index]!];
            return (
              mine === theirs ||
              (index === 2 && Buffer.from(mine, "base64url").equals(Buffer.from(theirs, "base64url")))
            );
          });
        if (isSameBytes) return;
        assert.throws(() => admit(changed), { name: "PlaybackError" });
      }),
    );
  });

  it("answers anything at all with a code and never with another failure", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000 }), fc.array(fc.string(), { maxLength: 4 }), (text, parts) => {
        for (const token of [text, parts.join("."), parts.map((part) => encode(part)).join(".")]) {
          assert.throws(() => readToken(token, keys), { name: "PlaybackError" });
        }
      }),
    );
    assert.equal(plainAddress("fe80::1%eth0"), "fe80::1");
  });
});
