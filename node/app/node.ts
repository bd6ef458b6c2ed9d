import type { NodeConfig } from "../config/sections.ts";
import { HttpService } from "../http/server.ts";
import { Lifecycle, type Startable } from "../kernel/lifecycle.ts";
import { AppError } from "./errors.ts";
import { type Foundation, lay } from "./foundation.ts";
import type { Workmanship } from "./operator.ts";

/** A whole node, made and not yet started. */
export interface LeatNode extends Startable {
  readonly foundation: Foundation;
}

/**
 * Makes a node from its settings: what every node has, then what its roles add, then the HTTP server over all of it.
 * What a role alone takes is loaded where a node has it.
 * @param work Tests pass something else to build a node that lies.
 * @throws APP_ROLES_MISSING, APP_NETWORK_MISSING, APP_RPC_MISSING, NETWORK_…, KEY_…, CHAIN_…, STORE_…, TOKEN_COST_…
 */
export async function createNode(config: NodeConfig, work?: Workmanship): Promise<LeatNode> {
  const { roles } = config.node;
  if (roles.length === 0) {
    throw new AppError(
      { code: "APP_ROLES_MISSING" },
      { message: "this node has no role; set --node.roles, for example ingest,transcode,delivery" },
    );
  }
  const foundation = await lay(config);
  const issued = roles.includes("balancer") ? await (await import("./balancer.ts")).addBalancer(foundation) : undefined;
  if (roles.includes("buyer")) await (await import("./buyer.ts")).addBuyer(foundation);
  if (roles.some((role) => role === "ingest" || role === "transcode" || role === "delivery")) {
    const { addOperator, honestWorkmanship } = await import("./operator.ts");
    await addOperator(foundation, work ?? honestWorkmanship);
  }
  if (roles.includes("watchtower")) await (await import("./watchtower.ts")).addWatchtower(foundation, issued);
  foundation.parts.push({ name: "http", part: new HttpService(foundation.http, config.http, foundation) });
  const lifecycle = new Lifecycle(foundation.parts, foundation.logger);
  return { foundation, start: () => lifecycle.start(), stop: () => lifecycle.stop() };
}
