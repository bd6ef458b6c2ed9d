import type { Command } from "commander";

/** A file `commands/<name>.ts` exports this: it adds its command, with action, to the program. */
export interface CommandModule {
  register(program: Command): void;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Loaded only when the command is called, so that `leat --help` loads none. */
  readonly load: () => Promise<CommandModule>;
}

export const commands: readonly CommandEntry[] = [
  { name: "start", summary: "run this node until it is told to stop", load: () => import("./commands/start.ts") },
  { name: "stream", summary: "create, list and end streams", load: () => import("./commands/stream.ts") },
  {
    name: "webhook",
    summary: "have servers of yours told what happens",
    load: () => import("./commands/webhook.ts"),
  },
  { name: "keys", summary: "make and show node keys", load: () => import("./commands/keys.ts") },
  { name: "config", summary: "show settings and where they come from", load: () => import("./commands/config.ts") },
  {
    name: "transcode",
    summary: "turn a file into the renditions of a ladder",
    load: () => import("./commands/transcode.ts"),
  },
  {
    name: "probe",
    summary: "try every encoder of this machine, and say how fast it is",
    load: () => import("./commands/probe.ts"),
  },
  { name: "buyer", summary: "deposit, take back, and see what is paid", load: () => import("./commands/buyer.ts") },
  {
    name: "operator",
    summary: "stake, node keys, and what a node earns",
    load: () => import("./commands/operator.ts"),
  },
  {
    name: "cluster",
    summary: "make a cluster, say who is in, and move its money",
    load: () => import("./commands/cluster.ts"),
  },
  {
    name: "fault",
    summary: "check and report what a node can be slashed for",
    load: () => import("./commands/fault.ts"),
  },
  {
    name: "explain",
    summary: "make a balancer's decision again and say why it came out so",
    load: () => import("./commands/explain.ts"),
  },
  {
    name: "inspect",
    summary: "hold a stream's playlists against the rules of HLS",
    load: () => import("./commands/inspect.ts"),
  },
];
