import { join } from "node:path";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { toLibp2pKey } from "@leat/node/kernel/keys.ts";
import { makeFolder } from "@leat/node/kernel/make-folder.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { type Chain, startBlocks, startChain } from "./chain.ts";
import { type NodeName, type NodePlace, nodeConfig, operatorNames, placeNodes } from "./layout.ts";
import type { NetworkError } from "./options.ts";
import { ProcessGroup, requireFreePort } from "./processes.ts";
import { type Caps, deployLocally, type Economy, readChain, setUpEconomy } from "./setup.ts";
import { addressOfWallet, keyAt, writeJson } from "./wallets.ts";

export interface LocalNetworkOptions {
  readonly dataDir: string;
  readonly portBase: number;
  /** A development chain that runs already, with contracts on it. Without it the network starts a chain of its own. */
  readonly networkFile?: string;
  /**
   * Caps in base units: the buyer's account is a wallet then, and its agent's key signs vouchers up to these. Without it
   * the agent's key is the account.
   */
  readonly caps?: Caps;
  /** Hears each step as it is done. */
  readonly onStep?: (step: string) => void;
  /** Hears of a process that ended by itself. */
  readonly onExit?: (error: NetworkError) => void;
  /** Changes one node's settings before it starts: tests shorten waits, or start another program in its place. */
  readonly adjust?: (name: NodeName, config: Record<string, unknown>) => Record<string, unknown>;
  /** The program of a node: its arguments without the settings file. Tests put a node that lies here. */
  readonly programOf?: (name: NodeName) => readonly string[];
}

/** All that talk to the balancer, and to each other only when there is work. */
const clientNames = [...operatorNames, "buyer"] as const;
/** What a node is. */
export const leatProgram = join(import.meta.dirname, "../../node/cli/main.ts");

/** A chain, a cluster with its balancer, three operators and a buyer's agent, each a process of its own. */
export class LocalNetwork {
  readonly #options: LocalNetworkOptions;
  #stopBlocks: (() => Promise<void>) | undefined;
  readonly #processes: ProcessGroup;
  readonly #places: ReadonlyMap<NodeName, NodePlace>;
  readonly #keys = new Map<NodeName, NodeKey>();
  #chain: Chain | undefined;
  #economy: Economy | undefined;

  constructor(options: LocalNetworkOptions) {
    this.#options = options;
    this.#processes = new ProcessGroup(options.dataDir, (error) => options.onExit?.(error));
    this.#places = new Map(placeNodes(options.dataDir, options.portBase).map((place) => [place.name, place]));
  }

  /** @throws UP_PORT_BUSY, UP_PROCESS_EXITED, and whatever the chain refuses. */
  async start(): Promise<void> {
    const { dataDir, portBase, onStep } = this.#options;
    const ended = await this.#processes.endLeftovers();
    if (ended.length > 0) onStep?.(`ended what a killed network left running: ${ended.join(", ")}`);
    await this.#requirePorts();
    for (const { name, dir } of this.#places.values()) {
      await makeFolder(dir, 0o700);
      this.#keys.set(name, await keyAt(join(dir, "node.key")));
    }
    const { networkFile, caps } = this.#options;
    this.#chain =
      networkFile === undefined ? await startChain(this.#processes, dataDir, portBase) : await readChain(networkFile);
    onStep?.(`chain at ${this.#chain.rpcUrl}`);
    const contracts = networkFile ?? (await deployLocally(this.#chain, dataDir));
    this.#economy = await setUpEconomy(this.#chain, dataDir, contracts, {
      balancer: this.key("balancer"),
      buyer: this.key("buyer"),
      ...(caps === undefined ? {} : { caps }),
      operators: operatorNames.map((name) => ({
        wallet: this.place(name).wallet!,
        node: this.key(name),
        endpoint: this.httpUrl(name),
      })),
    });
    if (networkFile === undefined) this.#stopBlocks = await startBlocks(this.#chain);
    onStep?.("contracts are there, operators have joined, cluster and buyer are funded");
    await this.startNode("balancer");
    onStep?.(`balancer at ${this.httpUrl("balancer")}`);
    await Promise.all(clientNames.map((name) => this.startNode(name)));
    onStep?.("operators and buyer's agent up");
  }

  /** Starts one node, for the first time or again after it ended. */
  async startNode(name: NodeName): Promise<void> {
    const { adjust, programOf } = this.#options;
    const balancer =
      name === "balancer" ? undefined : { key: this.key("balancer"), multiaddr: this.#multiaddr("balancer") };
    const config = nodeConfig({
      place: this.place(name),
      networkFile: this.economy.networkFile,
      cluster: this.economy.cluster,
      clusterUrl: this.clusterUrl,
      balancer,
      ...(this.#options.caps === undefined ? {} : { account: this.buyer }),
    });
    const file = join(this.place(name).dir, "config.json");
    await writeJson(file, adjust?.(name, config) ?? config);
    await this.#processes.start({
      name,
      command: process.execPath,
      args: [...(programOf?.(name) ?? [leatProgram, "start"]), "--config", file],
      ready: /"ready":true/,
    });
  }

  /** Ends one node without warning, as a power cut would. Resolves when it is gone. */
  async killNode(name: NodeName): Promise<void> {
    await this.#processes.kill(name);
  }

  async stop(): Promise<void> {
    // Whoever stops may wait for a block.
    await this.#processes.stop(clientNames);
    await this.#stopBlocks?.();
  }

  get chain(): Chain {
    if (this.#chain === undefined) throw new Error("the network was not started");
    return this.#chain;
  }

  get economy(): Economy {
    if (this.#economy === undefined) throw new Error("the network was not started");
    return this.#economy;
  }

  get pids(): ReadonlyMap<string, number> {
    return this.#processes.pids;
  }

  get clusterUrl(): string {
    return this.httpUrl("balancer");
  }

  /** The account that pays: the agent's own, or the wallet that allotted its channels. */
  get buyer(): Address {
    return this.#options.caps === undefined ? this.key("buyer").address : addressOfWallet("coldBuyer");
  }

  place(name: NodeName): NodePlace {
    return this.#places.get(name)!;
  }

  key(name: NodeName): NodeKey {
    return this.#keys.get(name)!;
  }

  httpUrl(name: NodeName): string {
    return `http://127.0.0.1:${this.place(name).httpPort}`;
  }

  /** The node's name behind an address, for reports that people read. */
  nameOf(address: Address): NodeName | undefined {
    return [...this.#keys].find(([, key]) => key.address === address)?.[0];
  }

  /** The address of a process's node key; undefined for the chain, which has none. */
  addressOf(process: string): Address | undefined {
    return this.#keys.get(process as NodeName)?.address;
  }

  #multiaddr(name: NodeName): string {
    const peer = peerIdFromPrivateKey(toLibp2pKey(this.key(name)));
    return `/ip4/127.0.0.1/tcp/${this.place(name).wirePort}/p2p/${peer.toString()}`;
  }

  async #requirePorts(): Promise<void> {
    await requireFreePort(this.#options.portBase, "the chain");
    for (const { name, httpPort, wirePort, rtmpPort, roles } of this.#places.values()) {
      await requireFreePort(httpPort, `${name} (HTTP)`);
      await requireFreePort(wirePort, `${name} (peers)`);
      if (roles.includes("ingest")) await requireFreePort(rtmpPort, `${name} (RTMP)`);
      await requireFreePort(wirePort, `${name} (SRT)`, "udp");
      await requireFreePort(rtmpPort, `${name} (WebRTC)`, "udp");
    }
  }
}
