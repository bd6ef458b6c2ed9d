import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { cpus, release } from "node:os";
import { dirname } from "node:path";
import type { Probe } from "./choose-engine.ts";
import { knownEncoders } from "./encoders.ts";
import type { EncoderReport } from "./probe.ts";

/** A driver may be replaced without a trace that is looked at here. */
const VALID_MS = 7 * 24 * 3_600_000;

interface Remembered {
  readonly machine: string;
  readonly atMs: number;
  readonly reports: readonly EncoderReport[];
}

/**
 * A probe that asks the machine once and then its file, as long as neither the machine nor its drivers nor what encodes
 * are others. A file that cannot be read or written costs a probe, nothing else.
 */
export function rememberProbe(
  probe: Probe,
  file: string,
  { nowMs, machine = describeMachine }: { readonly nowMs: () => number; readonly machine?: () => string },
): Probe {
  return async (options) => {
    // Of the program nothing tells here whether it is still there, or another.
    if (options.engine !== "node-av") return probe(options);
    const held = await readHeld(file);
    const described = machine();
    const ageMs = held === undefined ? 0 : nowMs() - held.atMs;
    if (held?.machine === described && ageMs >= 0 && ageMs < VALID_MS) return held.reports;
    const reports = await probe(options);
    if (reports.some(({ works }) => works)) await hold(file, { machine: described, atMs: nowMs(), reports });
    return reports;
  };
}

/** What must stay for a measurement to stand: a digest, since no file needs to say more of its machine. */
export function describeMachine(): string {
  const facts = {
    node: process.versions.node,
    bindings: readText(() => new URL("../../package.json", import.meta.resolve("node-av/lib"))),
    encoders: knownEncoders,
    platform: `${process.platform} ${process.arch} ${release()}`,
    processors: cpus().map(({ model }) => model),
    chips: readNames("/dev/dri"),
    nvidia: readText(() => "/proc/driver/nvidia/version"),
  };
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

async function readHeld(path: string): Promise<Remembered | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return isRemembered(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRemembered(value: unknown): value is Remembered {
  const { machine, atMs, reports } = (value ?? {}) as Partial<Remembered>;
  return typeof machine === "string" && typeof atMs === "number" && Array.isArray(reports) && reports.every(isReport);
}

function isReport(value: unknown): value is EncoderReport {
  const { codec, encoder, works, pixelsPerSecond } = (value ?? {}) as Partial<EncoderReport>;
  return (
    knownEncoders.some((known) => known.encoder === encoder && known.codec === codec) &&
    typeof works === "boolean" &&
    Number.isSafeInteger(pixelsPerSecond)
  );
}

async function hold(path: string, held: Remembered): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    // Whole or not at all: a node may be killed in the middle.
    await writeFile(`${path}.part`, `${JSON.stringify(held)}\n`);
    await rename(`${path}.part`, path);
  } catch {
    // The next start probes again.
  }
}

function readText(find: () => string | URL): string | undefined {
  try {
    return readFileSync(find(), "utf8");
  } catch {
    return undefined;
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
