import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Installs Debian packages that give these programs, where this process may; otherwise says the line to type. */
export async function ensurePrograms(programs: readonly string[], print: (text: string) => void): Promise<void> {
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length === 0) return;
  const canInstall = process.getuid?.() === 0 && isOnPath("apt-get");
  if (canInstall) {
    print(`Install ${missing.join(", ")}\n`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const run = (args: string[]) => spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "inherit"] });
    run(["update", "-q"]);
    run(["install", "-q", "-y", "--no-install-recommends", ...missing]);
  }
  const still = missing.filter((program) => !isOnPath(program));
  if (still.length === 0) return;
  throw new Error(
    `the tests need ${still.join(" and ")}: run "${canInstall ? "" : "sudo "}apt-get install -y ${still.join(" ")}"`,
  );
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
