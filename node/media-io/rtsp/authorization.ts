import { createHash, randomBytes } from "node:crypto";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

interface Challenge {
  readonly scheme: string;
  readonly fields: ReadonlyMap<string, string>;
}

const digests: Readonly<Record<string, string>> = { MD5: "md5", "SHA-256": "sha256" };
/** Offers have a few hundred. */
const MAX_OFFER_LENGTH = 4_096;
/** A field's name begins where a word does, and is short: a word of thousands of letters is read once, not at each. */
const field = /\b([A-Za-z]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g;
/** The better ones first. */
const ranked = ["SHA-256", "MD5"];

/** Answers what a server asks for, request after request. */
export class Authorization {
  readonly #challenge: Challenge;
  readonly #credentials: Credentials;
  readonly #nonceOf: () => string;
  #count = 0;

  private constructor(
    challenge: Challenge,
    credentials: Credentials,
    nonceOf: () => string = () => randomBytes(8).toString("hex"),
  ) {
    this.#challenge = challenge;
    this.#credentials = credentials;
    this.#nonceOf = nonceOf;
  }

  /** The best of what is offered; undefined where it is nothing that is known here. */
  static choose(
    offers: readonly string[],
    credentials: Credentials,
    nonceOf?: () => string,
  ): Authorization | undefined {
    const challenges = offers.filter(({ length }) => length <= MAX_OFFER_LENGTH).map(readChallenge);
    const byDigest = ranked.map((name) =>
      challenges.find(({ scheme, fields }) => scheme === "digest" && algorithmOf(fields) === name && isFit(fields)),
    );
    const basic = challenges.find(({ scheme }) => scheme === "basic");
    const challenge = byDigest.find((one) => one !== undefined) ?? basic;
    return challenge && new Authorization(challenge, credentials, nonceOf);
  }

  /** The header's value for one request. */
  header(method: string, uri: string): string {
    const { scheme, fields } = this.#challenge;
    const { username, password } = this.#credentials;
    if (scheme === "basic") return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    const hash = (text: string) => createHash(digests[algorithmOf(fields)]!).update(text).digest("hex");
    const [realm = "", nonce = ""] = [fields.get("realm"), fields.get("nonce")];
    const secret = hash(`${username}:${realm}:${password}`);
    const request = hash(`${method}:${uri}`);
    const said = [
      ["username", username],
      ["realm", realm],
      ["nonce", nonce],
      ["uri", uri],
    ].map(([name, value]) => `${name}="${quote(value!)}"`);
    if (fields.has("algorithm")) said.push(`algorithm=${algorithmOf(fields)}`);
    if (fields.has("opaque")) said.push(`opaque="${quote(fields.get("opaque")!)}"`);
    if (!fields.has("qop"))
      return `Digest ${[...said, `response="${hash(`${secret}:${nonce}:${request}`)}"`].join(", ")}`;
    this.#count += 1;
    const [count, own] = [this.#count.toString(16).padStart(8, "0"), this.#nonceOf()];
    const response = hash(`${secret}:${nonce}:${count}:${own}:auth:${request}`);
    return `Digest ${[...said, "qop=auth", `nc=${count}`, `cnonce="${own}"`, `response="${response}"`].join(", ")}`;
  }
}

function readChallenge(text: string): Challenge {
  const [, scheme = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
  const pairs = [...rest.matchAll(field)];
  const fields = pairs.map(([, name, quoted, plain]): [string, string] => [
    name!.toLowerCase(),
    quoted?.replace(/\\(.)/g, "$1") ?? plain!,
  ]);
  return { scheme: scheme.toLowerCase(), fields: new Map(fields) };
}

function algorithmOf(fields: Challenge["fields"]): string {
  return (fields.get("algorithm") ?? "MD5").toUpperCase();
}

/** Of the ways to protect a request only the one that all have. */
function isFit(fields: Challenge["fields"]): boolean {
  const qop = fields.get("qop");
  return fields.has("nonce") && (qop === undefined || qop.split(",").some((one) => one.trim() === "auth"));
}

/** It stands on one line. */
function quote(text: string): string {
  return text.replace(/\p{Cc}/gu, "").replace(/["\\]/g, "\\$&");
}
