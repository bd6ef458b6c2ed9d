import { formatTime } from "@leat/sdk/base/format-time.ts";
import { getDecimals } from "@leat/sdk/client/actions/account.ts";
import type { Membership } from "@leat/sdk/client/actions/memberships.ts";
import type { OperatorStatus } from "@leat/sdk/client/actions/operator.ts";
import { formatAmount, parseAmount, parsePayment } from "@leat/sdk/protocol/units.ts";
import type { Command } from "commander";
import { type AccountClient, openAccount } from "../../account-client.ts";
import type { KeyFlag } from "../../key-flag.ts";

export interface Acting extends AccountClient {
  /** An amount that may be nothing. */
  readonly parse: (amount: string) => bigint;
  /** One that is to move. */
  readonly parsePayment: (amount: string) => bigint;
  readonly format: (baseUnits: bigint) => string;
}

/** The client of `--key`, with amounts of the stake token as people write them. */
export async function openActing(command: Command, operands: number, { key }: KeyFlag): Promise<Acting> {
  const account = await openAccount(command, operands, key);
  const decimals = await getDecimals(account.client, account.client.deployment.stakeToken);
  return {
    ...account,
    parse: (amount) => parseAmount(amount, decimals),
    parsePayment: (amount) => parsePayment(amount, decimals),
    format: (baseUnits) => formatAmount(baseUnits, decimals),
  };
}

/** What stands and thaws, one line. */
export function renderStake(
  part: { readonly stake: bigint; readonly thawing: bigint; readonly thawEndsAt: bigint },
  format: Acting["format"],
): string {
  const thawing = `, ${format(part.thawing)} thawing until ${formatTime(part.thawEndsAt)}`;
  return `${format(part.stake)} at stake${part.thawing === 0n ? "" : thawing}`;
}

/** Whose a node is, and what stands behind it. */
export function renderStanding(
  status: OperatorStatus,
  memberships: readonly Membership[],
  format: Acting["format"],
): string {
  const { endpoint, sponsored, sponsoredThawing, manager, nodeActive, beneficiary, pushPayouts } = status;
  const leaving = sponsoredThawing === 0n ? "" : `, ${format(sponsoredThawing)} thawing`;
  return [
    `operator  ${status.operator}${nodeActive ? "" : " (this key is revoked)"}`,
    `stake     ${renderStake(status, format)}`,
    ...(sponsored + sponsoredThawing === 0n ? [] : [`sponsors  ${format(sponsored)} at stake${leaving}`]),
    ...(manager === undefined ? [] : [`manager   ${manager}`]),
    `endpoint  ${endpoint || "none: nobody is told where this node answers"}`,
    `clusters  ${memberships.map(renderMembership).join(", ") || "none"}`,
    `proceeds  ${pushPayouts ? "sent" : "credited in the escrow"} to ${beneficiary}`,
  ].join("\n");
}

function renderMembership({ cluster, approved, maximumSharePpm }: Membership): string {
  return `${cluster} (takes ${maximumSharePpm / 10_000} % at most${approved ? "" : "; waits for its owner to let it in"})`;
}
