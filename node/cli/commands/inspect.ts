import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Command } from "commander";
import { checkReload } from "../../media/inspect/check-reload.ts";
import { checkStream, type StreamFinding } from "../../media/inspect/check-stream.ts";
import { isAdvice, rules } from "../../media/inspect/rules.ts";
import { printResult } from "../output.ts";

export class InspectError extends CodedError<
  { code: "CLI_INSPECT_ADDRESS_INVALID"; url: string } | { code: "CLI_INSPECT_FILE_TOO_LARGE"; url: string }
> {}

/** Of any one file: a segment of 50 Mb/s and 10 s. */
const MAX_FILE_BYTES = 67_108_864;
const MAX_REFUSAL_BYTES = 65_536;
const ANSWER_WITHIN_MS = 15_000;
/** Half a target duration is how soon a player asks again when nothing has changed. */
const RELOAD_AFTER_MS = 2_000;

export function register(program: Command): void {
  program
    .command("inspect <url>")
    .description("hold a stream's playlists and files against the rules of HLS (RFC 8216bis), each fault by its rule")
    .option("--reloads <times>", "load each media playlist again so many times, 2 s apart", "2")
    .option("--no-files", "look at the playlists alone")
    .action(async (url: string, flags: { reloads: string; files: boolean }, command: Command) => {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
        throw new InspectError({ code: "CLI_INSPECT_ADDRESS_INVALID", url }, { message: `${url} is no http address` });
      }
      const missing = new Map<string, string>();
      const report = await checkStream(url, (wanted) => fetchFile(wanted, missing), {
        files: flags.files,
        nowMs: () => performance.now(),
        whyMissing: (wanted) => missing.get(wanted) ?? "no answer",
      });
      const findings = [
        ...report.findings,
        ...(await reload(report.media, Math.min(Number(flags.reloads) || 0, 1_000))),
      ];
      if (findings.some(({ rule }) => !isAdvice(rule))) process.exitCode = 1;
      const { media, files } = report;
      printResult(command, { findings, media, files }, () => describe(findings, media.length, files));
    });
}

/** One line a finding, and what the rule asks for. */
export function describe(findings: readonly StreamFinding[], playlists: number, files: number): string {
  const lines = findings.map(({ url, line, rule, found }) => {
    const place = line === undefined ? url : `${url}:${line}`;
    return `${place}\n  ${isAdvice(rule) ? "advice" : "broken"} ${rule}: ${found}\n  ${rules[rule]}`;
  });
  const broken = findings.filter(({ rule }) => !isAdvice(rule)).length;
  const seen = `${playlists} media playlists and ${files} files read`;
  return [...lines, `${seen}; ${broken} broken, ${findings.length - broken} of advice`].join("\n");
}

async function reload(urls: readonly string[], times: number): Promise<StreamFinding[]> {
  const findings: StreamFinding[] = [];
  const held = new Map<string, string>();
  for (let time = 0; time <= times && times > 0; time += 1) {
    if (time > 0) await sleep(RELOAD_AFTER_MS);
    for (const url of urls) {
      const bytes = await fetchFile(url);
      if (bytes === undefined) continue;
      const after = new TextDecoder().decode(bytes);
      const before = held.get(url);
      held.set(url, after);
      if (before !== undefined) findings.push(...checkReload(before, after).map((finding) => ({ ...finding, url })));
    }
  }
  return findings;
}

/** @param missing Where it is kept why there is nothing. */
async function fetchFile(url: string, missing?: Map<string, string>): Promise<Uint8Array | undefined> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch((error: Error) => {
    const { code } = (error.cause ?? {}) as { readonly code?: string };
    missing?.set(url, `no answer (${code ?? error.name})`);
    return undefined;
  });
  if (response === undefined) return undefined;
  if (!response.ok || response.body === null) {
    missing?.set(url, await describeRefusal(response));
    return undefined;
  }
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of response.body) {
    pieces.push(piece);
    sizeBytes += piece.length;
    if (sizeBytes > MAX_FILE_BYTES) throw new InspectError({ code: "CLI_INSPECT_FILE_TOO_LARGE", url });
  }
  return Buffer.concat(pieces);
}

/** `HTTP 404 HLS_STREAM_UNKNOWN`: our own servers, and many others, say in the body why. */
async function describeRefusal(response: Response): Promise<string> {
  const length = Number(response.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  if (length > MAX_REFUSAL_BYTES) {
    await response.body?.cancel().catch(() => {});
    return `HTTP ${response.status}`;
  }
  const body = (await response.json().catch(() => undefined)) as { error?: { code?: unknown } } | null | undefined;
  const code = body?.error?.code;
  return `HTTP ${response.status}${typeof code === "string" && /^\w{1,64}$/.test(code) ? ` ${code}` : ""}`;
}
