import { CodedError } from "@leat/sdk/base/errors.ts";
import type { ApiCaller } from "@leat/sdk/client/actions/streams.ts";
import { toAddress } from "@leat/sdk/protocol/hex.ts";
import type { Command } from "commander";
import { readAccount } from "./account-client.ts";

export class ApiCallerError extends CodedError<{ code: "CLI_CLUSTER_MISSING" }> {}

/** Who asks the cluster's API: the command's account. The chain is not asked for that. @throws CLI_CLUSTER_MISSING */
export async function openCaller(command: Command, operands: number) {
  const { client, key, settings } = await readAccount(command, operands);
  const { clusterUrl, cluster, account } = settings.purchases;
  if (clusterUrl === "") {
    const message = "no cluster to buy from is known; set --purchases.clusterUrl, here or in the file of --config";
    throw new ApiCallerError({ code: "CLI_CLUSTER_MISSING" }, { message });
  }
  const inName = account === "" ? {} : { account: toAddress(account) };
  const caller: ApiCaller = {
    client: { ...client, clusterUrl },
    cluster: BigInt(cluster),
    signer: key.signer,
    ...inName,
  };
  return { caller, client: { ...client, clusterUrl } };
}
