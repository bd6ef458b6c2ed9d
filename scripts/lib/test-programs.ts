import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** A program that tests start, and the Debian packages that it takes, where those are not called as it is. */
export interface TestProgram {
  readonly program: string;
  readonly packages?: readonly string[];
}

export const testPrograms: readonly TestProgram[] = [
  ...["chromium", "ffmpeg", "curl"].map((program) => ({ program })),
  {
    program: "gst-launch-1.0",
    packages: ["tools", "plugins-base", "plugins-good", "plugins-bad", "plugins-ugly", "libav"].map(
      (part) => `gstreamer1.0-${part}`,
    ),
  },
];

/** Installs Debian packages that give these programs, where this process may; otherwise says the line to type. */
export async function ensurePrograms(programs: readonly TestProgram[], print: (text: string) => void): Promise<void> {
  const missing = findMissing(programs);
  if (missing.length === 0) return;
  const canInstall = process.getuid?.() === 0 && isOnPath("apt-get");
  if (canInstall) {
    print(`Install ${namesOf(missing).join(", ")}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const run = (args: string[]) => spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
    run(["update", "-q"]);
    run(["install", "-q", "-y", "--no-install-recommends", ...packagesOf(missing)]);
  }
  const still = findMissing(missing);
  if (still.length === 0) return;
  const line = `${canInstall ? "" : "sudo "}apt-get install -y ${packagesOf(still).join(" ")}`;
  throw new Error(`the tests need ${namesOf(still).join(" and ")}: run "${line}"`);
}

export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const findMissing = (programs: readonly TestProgram[]) => programs.filter(({ program }) => !isOnPath(program));
const namesOf = (programs: readonly TestProgram[]) => programs.map(({ program }) => program);
const packagesOf = (programs: readonly TestProgram[]) =>
  programs.flatMap(({ program, packages }) => packages ?? [program]);
