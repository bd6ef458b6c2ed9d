import { parseArgs } from "node:util";
import { parseGwei } from "viem";
import { type Address, isHex } from "../../sdk/protocol/hex.ts";
import { readTypedAddress } from "../../sdk/protocol/typed-address.ts";
import { DeployError } from "./errors.ts";

export interface DeployCommand {
  readonly network: string;
  readonly keyFile: string;
  /** Default: the network's name, in the folder that the command was called in. */
  readonly out: string | undefined;
  readonly governor: Address;
  readonly guardian: Address;
  readonly treasury: Address;
  readonly governanceDelaySeconds: number;
  readonly thawSeconds: bigint;
  readonly developmentTokens: boolean;
  readonly patienceMs: number;
  /** No transaction is signed at a higher price of gas. Absent: four times the price that was shown. */
  readonly maxFeeWei: bigint | undefined;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

export const usage = `Deploys all contracts to an EVM chain, checks them against the chain and writes the network's file.

  scripts/deploy --network FILE|NAME --key FILE --governor ADDRESS [--out FILE] [--yes] [--dry-run] [--json]

  --network FILE|NAME      network file without a deployment, or the name of one in sdk/networks
  --key FILE               the deployer's key, 64 hex digits, readable by you alone; it keeps no role
  --governor ADDRESS       sets parameters after the delay and grants roles; never the deployer
  --guardian ADDRESS       can pause new promises at once (default: the governor)
  --treasury ADDRESS       where a protocol fee would go (default: the governor)
  --out FILE               network file that is written (default: NAME.network.json); its journal stands beside it
  --governance-delay N     seconds that a change of parameters waits, 3600 at least (default: 172800)
  --thaw N                 seconds of every wait for stakes and reserves, fixed for ever (default: 604800)
  --development-tokens     deploys tokens that anybody can mint; only for a network file without tokens
  --patience N             seconds until a transaction that is in no block is sent with a higher fee (default: 90)
  --max-fee-gwei N         signs nothing at a higher price of gas (default: four times the price that it shows)
  --yes                    does not ask before it spends
  --dry-run                shows addresses, gas and cost, and sends nothing
  --json                   prints one JSON object on the last line

Endpoints come from the network file or from LEAT_CHAIN_RPC_URLS. Stopped at any moment and called again with the same
options, it goes on where it was: nothing is deployed twice.
`;

const options = {
  network: { type: "string" },
  key: { type: "string" },
  out: { type: "string" },
  governor: { type: "string" },
  guardian: { type: "string" },
  treasury: { type: "string" },
  "governance-delay": { type: "string" },
  thaw: { type: "string" },
  patience: { type: "string" },
  "max-fee-gwei": { type: "string" },
  "development-tokens": { type: "boolean" },
  yes: { type: "boolean" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws DEPLOY_OPTION_UNKNOWN, DEPLOY_OPTION_INVALID, DEPLOY_OPTION_MISSING */
export function parseOptions(argv: readonly string[]): DeployCommand | "help" {
  const { values, tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options,
  });
  for (const token of tokens) {
    if (token.kind === "positional") throw new DeployError({ code: "DEPLOY_OPTION_UNKNOWN", option: token.value });
    if (token.kind === "option" && !(token.name in options)) {
      throw new DeployError({ code: "DEPLOY_OPTION_UNKNOWN", option: token.rawName });
    }
  }
  if (values.help === true) return "help";
  const text = (name: keyof typeof options): string | undefined => {
    const value = values[name];
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value === "") throw invalid(name, "a value", "nothing");
    return value;
  };
  const required = (name: keyof typeof options, wanted: string): string => {
    const value = text(name);
    if (value === undefined) throw new DeployError({ code: "DEPLOY_OPTION_MISSING", option: `--${name}`, wanted });
    return value;
  };
  const address = (name: keyof typeof options, value: string): Address => {
    if (!isHex(value, 20) || BigInt(value) === 0n) throw invalid(name, "an address that is not zero", value);
    return readTypedAddress(value);
  };
  const network = required("network", "the file or the name of a network");
  const keyFile = required("key", "the file of the deployer's key");
  const maxFee = text("max-fee-gwei");
  if (maxFee !== undefined && (!/^[0-9]{1,9}(\.[0-9]{1,9})?$/.test(maxFee) || Number(maxFee) === 0)) {
    throw invalid("max-fee-gwei", "gwei above 0 such as 30 or 0.05", maxFee);
  }
  const governor = address("governor", required("governor", "the address that governs"));
  return {
    network,
    keyFile,
    out: text("out"),
    governor,
    guardian: address("guardian", text("guardian") ?? governor),
    treasury: address("treasury", text("treasury") ?? governor),
    // Without a delay nobody could leave before a change that a stolen governor's key makes.
    governanceDelaySeconds: seconds("governance-delay", text("governance-delay") ?? "172800", 3_600, 30 * 86_400),
    // The contracts' own bounds.
    thawSeconds: BigInt(seconds("thaw", text("thaw") ?? "604800", 3_600, 28 * 86_400)),
    developmentTokens: values["development-tokens"] === true,
    patienceMs: seconds("patience", text("patience") ?? "90", 1, 3_600) * 1_000,
    maxFeeWei: maxFee === undefined ? undefined : parseGwei(maxFee),
    dryRun: values["dry-run"] === true,
    yes: values.yes === true,
    json: values.json === true,
  };
}

function seconds(name: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (!/^[0-9]{1,9}$/.test(text) || value < minimum || value > maximum) {
    throw invalid(name, `seconds from ${minimum} to ${maximum}`, text);
  }
  return value;
}

function invalid(name: string, wanted: string, found: string): DeployError {
  return new DeployError({ code: "DEPLOY_OPTION_INVALID", option: `--${name}`, wanted, found: found.slice(0, 100) });
}
