import { readdirSync, readFileSync } from "node:fs";
import { cpus, hostname, release, userInfo } from "node:os";
import { join } from "node:path";
import type { EngineName } from "./engine.ts";
import type { EncoderReport } from "./probe.ts";

/** What an owner of a machine can send to others: what it is and what it encodes, never whose it is or where. */
export interface HardwareReport {
  readonly format: "leat.probe.1";
  readonly engine: EngineName;
  readonly platform: string;
  readonly architecture: string;
  /** The kernel's numbers alone: builders put names behind them. */
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** PCI vendor and device of each display adapter. */
  readonly adapters: readonly string[];
  readonly nvidiaDriver: string | null;
  readonly encoders: readonly EncoderReport[];
}

const ADAPTERS = "/sys/class/drm";

export function describeHardware(engine: EngineName, encoders: readonly EncoderReport[]): HardwareReport {
  const own = [hostname(), readUser()].filter((word) => word !== "");
  const processors = cpus();
  return {
    format: "leat.probe.1",
    engine,
    platform: process.platform,
    architecture: process.arch,
    kernel: /^[\d.]+/.exec(release())?.[0] ?? "",
    processor: processors[0]?.model.trim() ?? "",
    processors: processors.length,
    adapters: listAdapters(),
    nvidiaDriver: /\b\d{3}\.\d+(?:\.\d+)?\b/.exec(read("/proc/driver/nvidia/version"))?.[0] ?? null,
    encoders: encoders.map((report) => {
      return report.reason === undefined ? report : { ...report, reason: withoutOwner(report.reason, own) };
    }),
  };
}

/** Last words of drivers name files, and files name people. */
export function withoutOwner(text: string, own: readonly string[]): string {
  const bare = text.replace(/(?:file:\/\/)?(?:[A-Za-z]:)?(?:[\\/][^\\/\s'":;,()]+){2,}/g, "PATH");
  return own.reduce((left, word) => left.replace(asWord(word), "NAME"), bare);
}

/** Short names stand within other words too. */
function asWord(word: string): RegExp {
  return new RegExp(`(?<![\\w-])${word.replace(/[^\w]/g, "\\$&")}(?![\\w-])`, "g");
}

function listAdapters(): string[] {
  const cards = list(ADAPTERS).filter((name) => /^card\d+$/.test(name));
  return cards.flatMap((card) => {
    const [vendor, device] = ["vendor", "device"].map((name) => read(join(ADAPTERS, card, "device", name)).trim());
    return vendor && device ? [`${vendor}:${device}`] : [];
  });
}

function readUser(): string {
  try {
    return userInfo().username;
  } catch {
    // Containers run people who have no name.
    return "";
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
