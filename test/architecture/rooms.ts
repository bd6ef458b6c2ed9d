/** One room of the house. `below` names the rooms whose files it may use; its own it may always use. */
export interface Room {
  readonly name: string;
  /** A folder, or one file. The longest that fits a path is its room. */
  readonly path: string;
  readonly below: readonly string[];
  /** Rooms beside it that it may name in `import type`, each for the reason that the table gives. */
  readonly types?: readonly string[];
  /** Functions of values: no part of Node, no clock, no chance. */
  readonly pure?: boolean;
  /** Runs in a browser. */
  readonly browser?: boolean;
}

const sdk = ["sdk/base", "sdk/protocol", "sdk/selection"];
const rules = ["node/market", "node/metering", "node/media"];
// The boxes of MP4: rules write them when they pack, edges read them. They stand below both.
const formats = ["node/media/mp4"];
// Chunks, commands and the client's side of RTMP: spoken by our server, our pulls, and the transcoder's publisher.
const rtmp = "transcoder/rtmp";
// Transport streams: what edges take and give, and what the transcoder sends to a gateway.
const mpegts = "transcoder/mpegts";
const edges = ["node/wire", "node/chain", "node/store", "node/media-io"];
const belowServices = [...sdk, "sdk/client", "transcoder", rtmp, mpegts, "node/kernel", ...formats, ...rules, ...edges];
const ownOptions = ["node/http/options", "node/config/node-options"];
const belowApp = [...belowServices, "node/services", "node/config", ...ownOptions];

// The stores keep and the chain collects the vouchers that metering describes: its types, never its rules.
const voucherTypes = { types: ["node/metering"] };

function room(path: string, below: readonly string[], more: Partial<Room> = {}): Room {
  return { name: path, path, below, ...more };
}

/** STYLE section 1: dependencies point down. A folder that is not here fails the test until somebody decides its place. */
export const rooms: readonly Room[] = [
  room("sdk/base", [], { pure: true, browser: true }),
  room("sdk/protocol", ["sdk/base"], { pure: true, browser: true }),
  room("sdk/selection", ["sdk/base", "sdk/protocol"], { pure: true, browser: true }),
  room("sdk/client", sdk, { browser: true }),
  room("sdk/player", sdk, { browser: true }),
  room("sdk/studio", sdk, { browser: true }),

  room(rtmp, ["sdk/base"]),
  room(mpegts, ["sdk/base", "sdk/protocol"]),
  room("transcoder", ["sdk/base", "sdk/protocol", rtmp, mpegts]),

  room("node/kernel", sdk),
  ...[...formats, ...rules].map((path) => room(path, [...sdk, ...formats], { pure: true, browser: true })),
  ...edges.map((path) =>
    room(
      path,
      [...sdk, "node/kernel", ...formats, ...(path === "node/media-io" ? [rtmp, mpegts] : [])],
      ["node/store", "node/chain"].includes(path) ? voucherTypes : {},
    ),
  ),
  room("node/services", belowServices),
  // Declared above and needed by the settings below: files that use nothing of ours but the kernel.
  ...ownOptions.map((name) => ({ name, path: `${name}.ts`, below: ["node/kernel"] })),
  room("node/config", [...belowServices, "node/services", ...ownOptions]),
  // What codes mean to people: whoever talks to them needs it, and it needs nobody.
  room("node/texts", ["sdk/base", "sdk/protocol"], { pure: true }),
  room("node/app", [...belowApp, "node/http", "node/web/routes"]),
  room("node/http", [...belowServices, "node/services", "node/http/options", "node/texts"]),
  // The server's side of the pages.
  { name: "node/web/routes", path: "node/web/routes.ts", below: ["sdk/base", "sdk/protocol", "node/http"] },
  room("node/web", ["sdk/base", "sdk/protocol", "sdk/selection", "sdk/client", "sdk/player"], { browser: true }),
  room("node/cli", [...belowApp, "node/app", "node/http", "node/web/routes", "node/texts"]),

  // They stand outside: commands and tests may use every room.
  room("scripts", ["*"]),
  room("test", ["*"]),
];

export function findRoom(path: string): Room | undefined {
  return rooms
    .filter((one) => path === one.path || path.startsWith(`${one.path}/`))
    .sort((left, right) => right.path.length - left.path.length)[0];
}

/** Why `from` may not use `to`, or undefined when it may. */
export function findFault(from: string, to: string, typeOnly: boolean): string | undefined {
  const [fromRoom, toRoom] = [findRoom(from), findRoom(to)];
  if (fromRoom === undefined) return `${from} stands in no room`;
  if (toRoom === undefined) return `${from} uses ${to}, which stands in no room`;
  if (fromRoom.below.includes("*")) return undefined;
  const mayUse = [...fromRoom.below, ...(typeOnly ? (fromRoom.types ?? []) : [])];
  if (fromRoom !== toRoom && !mayUse.includes(toRoom.name)) return `${from} uses ${to}, which is not below it`;
  if (fromRoom.name === "node/services" && fromRoom === toRoom && !typeOnly) return findServiceFault(from, to);
  return undefined;
}

/** Other services are seen through their interface: types only. */
function findServiceFault(from: string, to: string): string | undefined {
  const [mine, theirs] = [from, to].map((path) => path.split("/")[2]);
  // Every service that runs jobs admits and reports them in the same way.
  if (mine === theirs || theirs === "jobs") return undefined;
  return `${from} uses ${to}, another service, other than by import type`;
}
