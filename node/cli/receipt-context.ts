import { getOperatorOf } from "@leat/sdk/client/actions/node-keys.ts";
import { listAllotments } from "@leat/sdk/client/actions/signers.ts";
import type { ApiCaller, JobInfo } from "@leat/sdk/client/actions/streams.ts";
import type { LeatClient } from "@leat/sdk/client/create-client.ts";
import { ClientError } from "@leat/sdk/client/transaction.ts";
import type { ReceiptContext } from "@leat/sdk/client/verify-receipt.ts";
import { createDomain } from "@leat/sdk/protocol/eip712.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";

/** What the chain says of who signs, each asked once. */
export function receiptContext(caller: ApiCaller, client: LeatClient, jobs: readonly JobInfo[]): ReceiptContext {
  const { chainId, escrow } = client.deployment;
  const ingest = jobs.filter(({ primitive }) => primitive === "ingest").flatMap(({ attempts }) => attempts);
  const account = toAddress(caller.account ?? caller.signer.address);
  const nodes = new Map<Address, Promise<boolean>>();
  let allotments: ReturnType<typeof listAllotments> | undefined;
  return {
    domain: createDomain(chainId, escrow),
    origins: new Set(ingest.map(({ node }) => node)),
    isAttempt: ({ receipt, node, kind }) =>
      jobs.some(
        ({ job, primitive, attempts }) =>
          job === receipt.job &&
          primitive === kind &&
          attempts.some((one) => one.attempt === receipt.attempt && one.node === node),
      ),
    isNode: (node) => {
      const asked = nodes.get(node) ?? isOperatorsNode(client, node);
      nodes.set(node, asked);
      return asked;
    },
    isBuyers: async (signer) => {
      if (signer === account) return true;
      allotments ??= listAllotments(client, { payer: account });
      return (await allotments).some((one) => one.signer === signer);
    },
  };
}

async function isOperatorsNode(client: LeatClient, node: Address): Promise<boolean> {
  try {
    await getOperatorOf(client, node);
    return true;
  } catch (error) {
    if (error instanceof ClientError && error.code === "CLIENT_NODE_UNKNOWN") return false;
    throw error;
  }
}
