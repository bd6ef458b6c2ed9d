import { formatAmount, toExact } from "@leat/sdk/protocol/units.ts";
import { renderTable } from "./output.ts";

/** What a running node says of its channels (`GET /v1/payments`), amounts as text. */
export interface NodeChannel {
  readonly payer: string;
  readonly payee: string;
  readonly token: string;
  /** Base units. */
  readonly vouchered: string;
  readonly collected: string;
  /** 10^-30 of a whole token. */
  readonly unpaidExact: string;
  readonly canLoseExact: string;
}

export interface TokenFacts {
  readonly name: string;
  readonly token: string;
  readonly decimals: number;
}

/** A node on the same machine answers at once or not at all. */
const NODE_TIMEOUT_MS = 3_000;
/** Digits behind the point that people are shown. */
const MOST_DECIMALS = 9;
const EXACT_DECIMALS = 30;

/** The channels of the node at this address; undefined when it does not answer. */
export async function askChannels(url: string): Promise<readonly NodeChannel[] | undefined> {
  try {
    const response = await fetch(`${url}/v1/payments`, { signal: AbortSignal.timeout(NODE_TIMEOUT_MS) });
    if (!response.ok) return undefined;
    return ((await response.json()) as { channels: readonly NodeChannel[] }).channels;
  } catch {
    return undefined;
  }
}

/** Amounts in whole tokens. What is open is rounded up, what is certain down. */
export function renderChannels(
  channels: readonly NodeChannel[],
  tokens: readonly TokenFacts[],
  other: "payer" | "payee",
): string {
  if (channels.length === 0) return "No channel yet.";
  return renderTable(
    channels.map((channel) => {
      const known = tokens.find(({ token }) => token.toLowerCase() === channel.token.toLowerCase());
      const decimals = known?.decimals ?? 0;
      const show = (exact: bigint, isOpen: boolean) => formatRounded(exact, Math.min(decimals, MOST_DECIMALS), isOpen);
      return {
        [other]: shorten(channel[other]),
        token: known?.name ?? shorten(channel.token),
        unpaid: show(BigInt(channel.unpaidExact), true),
        vouchered: show(toExact(BigInt(channel.vouchered), decimals), false),
        collected: show(toExact(BigInt(channel.collected), decimals), false),
        "can lose at most": show(BigInt(channel.canLoseExact), true),
      };
    }),
  );
}

function formatRounded(exact: bigint, decimals: number, isUp: boolean): string {
  const unit = 10n ** BigInt(EXACT_DECIMALS - decimals);
  return formatAmount((exact + (isUp ? unit - 1n : 0n)) / unit, decimals);
}

function shorten(address: string): string {
  return `${address.slice(0, 8)}…${address.slice(-6)}`;
}
