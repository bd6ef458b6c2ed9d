/** Codec families that a master playlist can offer, by the first characters of their RFC 6381 names. */
const familyPrefixes: readonly (readonly [family: string, prefixes: readonly string[]])[] = [
  ["h264", ["avc1", "avc3"]],
  ["hevc", ["hvc1", "hev1"]],
  ["vp9", ["vp09"]],
  ["av1", ["av01"]],
];

interface Variant {
  readonly info: string;
  readonly uri: string;
  readonly family: string | undefined;
  readonly audioGroup: string | undefined;
}

/** The families that a master playlist offers, in its order. Source: the CODECS of each EXT-X-STREAM-INF. */
export function familiesOf(master: string): string[] {
  const families = variantsOf(master).flatMap((variant) => (variant.family === undefined ? [] : [variant.family]));
  return [...new Set(families)];
}

/**
 * The same master playlist with one family's rungs and audio group alone, so that a player adapts within the family.
 * A family that is not there leaves the playlist as it is: something plays rather than nothing.
 */
export function keepFamily(master: string, family: string): string {
  const variants = variantsOf(master);
  const kept = variants.filter((variant) => variant.family === family);
  if (kept.length === 0) return master;
  const dropped = new Set(variants.filter((variant) => variant.family !== family).flatMap((v) => [v.info, v.uri]));
  const groups = new Set(kept.flatMap((variant) => (variant.audioGroup === undefined ? [] : [variant.audioGroup])));
  return master
    .split(/\r?\n/)
    .filter((line) => !dropped.has(line))
    .filter((line) => !line.startsWith("#EXT-X-MEDIA:") || groups.has(attributeOf(line, "GROUP-ID") ?? ""))
    .join("\n");
}

function variantsOf(master: string): Variant[] {
  const lines = master.split(/\r?\n/);
  return lines.flatMap((info, index) => {
    if (!info.startsWith("#EXT-X-STREAM-INF:")) return [];
    const uri = lines.slice(index + 1).find((line) => line !== "" && !line.startsWith("#"));
    if (uri === undefined) return [];
    const codecs = (attributeOf(info, "CODECS") ?? "").split(",").map((codec) => codec.trim());
    const family = familyPrefixes.find(([, prefixes]) => codecs.some((codec) => prefixes.includes(codec.slice(0, 4))));
    return [{ info, uri, family: family?.[0], audioGroup: attributeOf(info, "AUDIO") }];
  });
}

function attributeOf(line: string, name: string): string | undefined {
  return new RegExp(`[:,]${name}="([^"]*)"`).exec(line)?.[1];
}
