import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { MAX_PLAYBACK_TOKEN, type PlaybackPolicy, type WebhookPolicy } from "@leat/sdk/protocol/playback.ts";
import type { Clock } from "../../kernel/clock.ts";
import { tokenPattern } from "./carried-token.ts";
import { type PlaybackCode, PlaybackError } from "./errors.ts";
import { checkClaims, readToken, type TokenClaims, type Viewer } from "./token.ts";

/** What is watched: a stream or an asset, under its policy. */
export interface Guarded {
  readonly id: string;
  readonly slug: string;
  readonly policy: PlaybackPolicy;
}

export interface ViewerRequest extends Viewer {
  readonly token?: string | undefined;
  /** Who asks, where that may be another than who watches: bounds the questions, and is neither told nor compared. */
  readonly from?: string | undefined;
  /** `hls`, `dash`, `whep`, `srt`, `mp4` or `play`: told to the owner's webhook. */
  readonly protocol: string;
}

/** Decides who may watch: the same rule for every protocol. */
export interface ViewerAccess {
  /** Resolves for who may; rejects with a PlaybackError for everybody else, also when nobody can be asked. */
  admit(guarded: Guarded, viewer: ViewerRequest): Promise<void>;
}

/** Admits under the policy that stands once the answer is there: it may be changed while somebody is asked. */
export async function admitNow(
  access: ViewerAccess,
  find: () => Guarded | undefined,
  viewer: ViewerRequest,
): Promise<void> {
  let admitted: PlaybackPolicy | undefined;
  for (let guarded = find(); guarded !== undefined && guarded.policy !== admitted; guarded = find()) {
    await access.admit(guarded, viewer);
    admitted = guarded.policy;
  }
}

/** Asks a stream's owner. */
export interface OwnerAsker {
  ask(policy: WebhookPolicy, guarded: Guarded, viewer: ViewerRequest): Promise<void>;
}

export interface AccessComponents {
  readonly owners: OwnerAsker;
  readonly clock: Clock;
  readonly metrics: MetricsRegister;
  /** Hears of everybody who is turned away. */
  readonly onRefused?: (stream: string, code: PlaybackCode) => void;
}

/** Tokens of one policy whose signature is remembered, so that it is checked once and not for every segment. */
const MAX_REMEMBERED = 4_096;

export class PolicyAccess implements ViewerAccess {
  readonly #components: AccessComponents;
  /** A policy that is replaced takes what was remembered under it along: a key that was taken away ends at once. */
  readonly #proven = new WeakMap<PlaybackPolicy, Map<string, TokenClaims>>();
  readonly #decided;

  constructor(components: AccessComponents) {
    this.#components = components;
    this.#decided = components.metrics.counter({
      name: "leat_playback_decisions_total",
      help: "Requests for streams that are not public, by what was decided",
      labelNames: ["result"],
    });
  }

  async admit(guarded: Guarded, viewer: ViewerRequest): Promise<void> {
    if (guarded.policy.type === "public") return;
    try {
      await this.#decide(guarded, guarded.policy, viewer);
      this.#decided.add(1, { result: "admitted" });
    } catch (error) {
      this.#decided.add(1, { result: error instanceof PlaybackError ? error.code : "failed" });
      if (error instanceof PlaybackError) this.#components.onRefused?.(guarded.id, error.code);
      throw error;
    }
  }

  async #decide(
    guarded: Guarded,
    policy: Exclude<PlaybackPolicy, { type: "public" }>,
    viewer: ViewerRequest,
  ): Promise<void> {
    const { owners, clock } = this.#components;
    const { token } = viewer;
    if (token !== undefined && !tokenPattern.test(token)) {
      throw new PlaybackError({ code: "PLAYBACK_TOKEN_INVALID", what: "form" });
    }
    // An owner would be asked about any text, and each answer is remembered with it.
    if ((token?.length ?? 0) > MAX_PLAYBACK_TOKEN)
      throw new PlaybackError({ code: "PLAYBACK_TOKEN_INVALID", what: "length" });
    if (policy.type === "webhook" && !isSignedBy(token, policy)) return owners.ask(policy, guarded, viewer);
    if (token === undefined) throw new PlaybackError({ code: "PLAYBACK_TOKEN_MISSING" });
    checkClaims(this.#read(token, policy), [guarded.id, guarded.slug], viewer, clock.nowMs());
  }

  #read(token: string, policy: Exclude<PlaybackPolicy, { type: "public" }>): TokenClaims {
    const proven = this.#proven.get(policy) ?? new Map<string, TokenClaims>();
    const known = proven.get(token);
    if (known !== undefined) return known;
    // Only what is signed is remembered: what anybody can make up takes no room.
    const claims = readToken(token, policy.keys);
    this.#proven.set(policy, proven);
    proven.set(token, claims);
    if (proven.size > MAX_REMEMBERED) proven.delete(proven.keys().next().value!);
    return claims;
  }
}

/** Whether a token names one of the keys that stand beside a webhook. Whether it is signed by it is seen later. */
function isSignedBy(token: string | undefined, { keys }: WebhookPolicy): boolean {
  const header = token?.split(".")[0];
  if (header === undefined || keys.length === 0) return false;
  try {
    const { kid } = JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as { kid?: unknown };
    return keys.some((key) => key.kid === kid);
  } catch {
    return false;
  }
}
