import { parseArgs } from "node:util";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { MediaInput } from "./media-item.ts";
import { publish } from "./publisher.ts";

const USAGE = `publish-cli --url rtmp://HOST:PORT/live/KEY… (--input FILE | --pattern WxH@FPS:SECONDS)…
  [--loop] [--reconnect] [--fast] [--json]`;

/** Inputs keep the order in which they were given. */
function readInputs(tokens: readonly { kind: string; name?: string; value?: string }[]): MediaInput[] {
  return tokens.flatMap((token): MediaInput[] => {
    if (token.kind !== "option" || token.value === undefined) return [];
    if (token.name === "input") return [token.value];
    if (token.name === "pattern") return [parsePattern(token.value)];
    return [];
  });
}

function parsePattern(text: string): MediaInput {
  const match = /^(\d+)x(\d+)@(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(text);
  if (!match) throw new TypeError(`--pattern wants WxH@FPS:SECONDS, not ${text}`);
  const [width = 0, height = 0, fps = 0, durationS = 0] = match.slice(1).map(Number);
  return { pattern: { width, height, fps, durationS } };
}

async function main(): Promise<void> {
  const { values, tokens } = parseArgs({
    options: {
      url: { type: "string", multiple: true },
      input: { type: "string", multiple: true },
      pattern: { type: "string", multiple: true },
      loop: { type: "boolean" },
      reconnect: { type: "boolean" },
      fast: { type: "boolean" },
      json: { type: "boolean" },
    },
    tokens: true,
  });
  const inputs = readInputs(tokens);
  if (!values.url || inputs.length === 0) throw new TypeError("an address and an input are wanted");
  const { url: urls, loop, reconnect, fast } = values;
  const publisher = publish({ urls, inputs, realtime: !fast, loop, reconnect });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void publisher.stop());
  try {
    const report = await publisher.done;
    const text = `${report.videoFrames} pictures, ${report.audioFrames} audio frames sent`;
    process.stdout.write(`${values.json ? JSON.stringify(report) : text}\n`);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    const told = JSON.stringify({ error: { ...error.detail, message: error.message } });
    if (values.json) process.stdout.write(`${told}\n`);
    else process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n${USAGE}\n`);
  process.exitCode = 2;
}
