import { existsSync, globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import { type Network, parseNetwork } from "@leat/sdk/protocol/network.ts";
import { ConfigError } from "./errors.ts";

/** Networks that come with the program, by name. */
const folder = new URL("../../sdk/networks/", import.meta.url);

/** The file that a person means: a path, or the name of a network that comes with the program. */
export function networkPath(fileOrName: string): string {
  return isName(fileOrName) ? fileURLToPath(new URL(`${fileOrName}.json`, folder)) : fileOrName;
}

/** @throws CONFIG_NETWORK_UNKNOWN, CONFIG_FILE_UNREADABLE, NETWORK_INVALID */
export function readNetwork(fileOrName: string): Network {
  const path = networkPath(fileOrName);
  if (isName(fileOrName) && !existsSync(path)) throw unknownNetwork(fileOrName);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = fileReason(cause);
    throw new ConfigError(
      { code: "CONFIG_FILE_UNREADABLE", path, reason },
      { cause, message: `the network file ${path} cannot be read as JSON: ${describeFileReason(reason)}` },
    );
  }
  return parseNetwork(content, path);
}

function isName(fileOrName: string): boolean {
  return /^[a-z0-9][a-z0-9-]*$/.test(fileOrName);
}

function unknownNetwork(name: string): ConfigError {
  const known = globSync("*.json", { cwd: fileURLToPath(folder) })
    .map((file) => basename(file, ".json"))
    .sort();
  return new ConfigError({ code: "CONFIG_NETWORK_UNKNOWN", name, known: known.join(", ") });
}
