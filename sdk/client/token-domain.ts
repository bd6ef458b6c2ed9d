import { type PublicClient, parseAbi } from "viem";
import { hashDomain } from "../protocol/eip712.ts";
import type { Address } from "../protocol/hex.ts";
import type { TypedData } from "../protocol/typed-data.ts";

const tokenAbi = parseAbi([
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function eip712Domain() view returns (bytes1, string name, string version, uint256, address, bytes32, uint256[])",
]);

/**
 * What is signed under for a token: permits and authorisations. Some tokens tell it (EIP-5267); of the others name and
 * version are put together. Undefined where the token's own separator says otherwise, or where neither is there.
 */
export async function findTokenDomain(
  publicClient: Pick<PublicClient, "readContract">,
  chainId: number,
  token: Address,
): Promise<TypedData["domain"] | undefined> {
  const call = { address: token, abi: tokenAbi } as const;
  const [told, separator] = await Promise.all([
    publicClient.readContract({ ...call, functionName: "eip712Domain" }).catch(() => undefined),
    publicClient.readContract({ ...call, functionName: "DOMAIN_SEPARATOR" }).catch(() => undefined),
  ]);
  const place = { chainId, verifyingContract: token };
  if (told !== undefined) {
    const domain = { name: told[1], version: told[2], ...place };
    return separator === undefined || separator === hashDomain(domain) ? domain : undefined;
  }
  const [name, version] = await Promise.all([
    publicClient.readContract({ ...call, functionName: "name" }).catch(() => undefined),
    // Not all tell a version; what is guessed here the separator confirms.
    publicClient.readContract({ ...call, functionName: "version" }).catch(() => "1"),
  ]);
  if (name === undefined) return undefined;
  const domain = { name, version, ...place };
  return separator === hashDomain(domain) ? domain : undefined;
}
