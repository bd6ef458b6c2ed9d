import { parseArgs } from "node:util";
import { CodedError } from "@leat/sdk/base/errors.ts";

export class NetworkError extends CodedError<
  | { code: "UP_OPTION_UNKNOWN"; option: string }
  | { code: "UP_OPTION_INVALID"; option: string; found: string; wanted: string }
  | { code: "UP_INPUT_MISSING"; file: string }
  | { code: "UP_RPC_MISSING"; network: string }
  | { code: "UP_PORT_BUSY"; port: number; service: string }
  | { code: "UP_PROCESS_EXITED"; process: string; status: string; log: string }
  | { code: "UP_DEMO_FAILED"; reason: string }
  | { code: "UP_DATA_IN_USE"; dir: string; pid: number }
  | { code: "UP_DATA_UNUSABLE"; dir: string; reason: string }
  | { code: "UP_DATA_BROKEN"; file: string }
> {}

export interface NetworkOptions {
  readonly demo: boolean;
  readonly json: boolean;
  readonly keep: boolean;
  /** Files that follow each other on one connection; empty: the generated pattern. */
  readonly inputs: readonly string[];
  readonly dataDir: string;
  readonly portBase: number;
  /** The token that everything is paid in. */
  readonly token: "USDC" | "LPT";
}

/** Ports that one network takes, from its base upwards. */
export const portsPerNetwork = 60;
const defaultPortBase = 17_400;

export const usage = `Starts a local Leat network: a chain, a cluster with its balancer, three operators and a buyer.

  scripts/up [--demo] [--input FILE]... [--json] [--keep] [--data DIR] [--port-base N] [--token USDC|LPT]

  --demo         publish a stream, wait until it was delivered, checked and paid, print a report and stop
  --input FILE   what the demo publishes; repeat it for files that follow each other on one connection
                 (default: a generated pattern whose every frame carries its number)
  --json         print the report as one JSON object on the last line
  --keep         leave the network running after the demo, until Ctrl-C
  --data DIR     where the network keeps its state (default: .leat/network)
  --port-base N  first of ${portsPerNetwork} ports (default: ${defaultPortBase}); several networks run side by side
  --token NAME   what everything is paid in: USDC (default) or LPT
`;

/** @throws UP_OPTION_UNKNOWN, UP_OPTION_INVALID */
export function parseOptions(argv: readonly string[], defaultDataDir: string): NetworkOptions | "help" {
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      demo: { type: "boolean" },
      json: { type: "boolean" },
      keep: { type: "boolean" },
      help: { type: "boolean", short: "h" },
      input: { type: "string", multiple: true },
      data: { type: "string" },
      "port-base": { type: "string" },
      token: { type: "string" },
    },
  });
  const known = ["demo", "json", "keep", "help", "input", "data", "port-base", "token"];
  const unknown = tokens.find((token) => token.kind === "option" && !known.includes(token.name));
  if (unknown?.kind === "option") throw new NetworkError({ code: "UP_OPTION_UNKNOWN", option: unknown.rawName });
  if (positionals[0] !== undefined) throw new NetworkError({ code: "UP_OPTION_UNKNOWN", option: positionals[0] });
  if (values.help === true) return "help";
  for (const name of ["data", "port-base", "token"] as const) {
    if (values[name] === true) throw invalid(`--${name}`, "nothing", "a value");
  }
  const ofDemo = (["json", "input"] as const).find((name) => values[name] !== undefined);
  if (ofDemo !== undefined && values.demo !== true) throw invalid(`--${ofDemo}`, "given alone", "--demo beside it");
  const inputs = (values.input ?? []) as (string | boolean)[];
  if (inputs.some((input) => typeof input !== "string")) throw invalid("--input", "nothing", "a file");
  return {
    demo: values.demo === true,
    json: values.json === true,
    keep: values.keep === true || values.demo !== true,
    inputs: inputs as string[],
    dataDir: typeof values.data === "string" ? values.data : defaultDataDir,
    portBase: parsePortBase(typeof values["port-base"] === "string" ? values["port-base"] : String(defaultPortBase)),
    token: parseToken(typeof values.token === "string" ? values.token : "USDC"),
  };
}

function parsePortBase(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1024 || port > 65_535 - portsPerNetwork) {
    throw invalid("--port-base", text, `a number from 1024 to ${65_535 - portsPerNetwork}`);
  }
  return port;
}

function parseToken(text: string): "USDC" | "LPT" {
  if (text === "USDC" || text === "LPT") return text;
  throw invalid("--token", text, "USDC or LPT");
}

function invalid(option: string, found: string, wanted: string): NetworkError {
  return new NetworkError({ code: "UP_OPTION_INVALID", option, found, wanted });
}
