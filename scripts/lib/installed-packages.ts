/** What a lockfile says of one package, as far as it matters here. */
export interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

export interface Platform {
  readonly platform: string;
  readonly arch: string;
}

/**
 * Paths of packages that `wanted` locks and `installed` lacks or has in another version. An optional package for this
 * platform counts: an older Node leaves such packages out without a word.
 */
export function findMissing(
  wanted: Readonly<Record<string, LockedPackage>>,
  installed: Readonly<Record<string, LockedPackage>>,
  platform: Platform,
): string[] {
  return Object.entries(wanted)
    .filter(([path, locked]) => path.includes("node_modules/") && isFor(locked, platform))
    .filter(([path, locked]) => {
      const found = installed[path];
      // Without a platform of its own, an optional package may be left out for reasons that the lockfile does not tell.
      if (found === undefined) return !(locked.optional === true && locked.os === undefined);
      return found.version !== locked.version || found.integrity !== locked.integrity;
    })
    .map(([path]) => path);
}

function isFor(locked: LockedPackage, { platform, arch }: Platform): boolean {
  const isMusl = (locked.libc ?? []).includes("musl") && !(locked.libc ?? []).includes("glibc");
  return allows(locked.os, platform) && allows(locked.cpu, arch) && !isMusl;
}

/** npm's lists name what is allowed, or with `!` what is not. */
function allows(list: readonly string[] | undefined, name: string): boolean {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${name}`)) return false;
  const allowed = list.filter((item) => !item.startsWith("!"));
  return allowed.length === 0 || allowed.includes(name);
}
