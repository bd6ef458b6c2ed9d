import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Network, parseNetwork } from "@leat/sdk/protocol/network.ts";
import { ConfigError } from "./errors.ts";

/** Networks that come with the program, by name. */
const folder = new URL("../../sdk/networks/", import.meta.url);

/** The file that a person means: a path, or the name of a network that comes with the program. */
export function networkPath(fileOrName: string): string {
  return /^[a-z0-9][a-z0-9-]*$/.test(fileOrName) ? fileURLToPath(new URL(`${fileOrName}.json`, folder)) : fileOrName;
}

/** @throws CONFIG_FILE_UNREADABLE, NETWORK_INVALID */
export function readNetwork(fileOrName: string): Network {
  const path = networkPath(fileOrName);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new ConfigError(
      { code: "CONFIG_FILE_UNREADABLE", path, reason },
      { cause, message: `the network file ${path} cannot be read as JSON: ${reason}` },
    );
  }
  return parseNetwork(content);
}
