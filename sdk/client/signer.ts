import {
  type Account,
  type Chain,
  createWalletClient,
  type PublicClient,
  type Transport,
  type TypedDataDefinition,
  type WalletClient,
} from "viem";
import { CodedError } from "../base/errors.ts";
import { StatementError } from "../protocol/eip712.ts";
import { type Address, type Hex, isHex, toAddress } from "../protocol/hex.ts";
import { nobleStatements, type StatementSigner } from "../protocol/statements.ts";
import { type TypedData, type TypedField, typedDataOf } from "../protocol/typed-data.ts";

/** What a signer of the buyer's own could not do. */
export class SignerError extends CodedError<
  | { code: "SIGNER_UNKNOWN"; found: string }
  | { code: "SIGNER_ACCOUNT_MISSING" }
  | { code: "SIGNER_CANNOT_SIGN"; address: Address }
  | { code: "SIGNER_CANNOT_SEND"; address: Address }
  | { code: "SIGNER_CHAIN_WRONG"; wanted: number; found: number }
  | { code: "SIGNER_DECLINED"; address: Address }
  | { code: "SIGNER_SIGNATURE_WRONG"; wanted: Address; found: Address }
> {}

/** A signer of ethers v6, as far as it is used here: Wallet, HDNodeWallet, JsonRpcSigner and what wraps them. */
export interface EthersSigner {
  readonly provider?: { getNetwork(): Promise<{ readonly chainId: bigint }> } | null;
  getAddress(): Promise<string>;
  signTypedData(
    domain: Record<string, unknown>,
    types: Record<string, TypedField[]>,
    value: Record<string, unknown>,
  ): Promise<string>;
  sendTransaction?(transaction: Record<string, unknown>): Promise<{ readonly hash: string }>;
  signTransaction?(transaction: Record<string, unknown>): Promise<string>;
}

/** Who signs and pays: a viem account, a viem wallet client with its account, or an ethers v6 signer. */
export type AccountLike = Account | WalletClient | EthersSigner;

/** What signs typed data and does nothing else, on whatever chain the data names. */
export interface TypedDataSigner {
  readonly address: Hex;
  signTypedData(data: TypedDataRequest): Promise<Hex>;
}

/** Structured data of any contract, a token for example. */
export interface TypedDataRequest {
  readonly domain: Record<string, unknown>;
  readonly types: Record<string, readonly TypedField[]>;
  readonly primaryType: string;
  readonly message: Record<string, unknown>;
}

/** A call of a contract, ready to be signed and sent. */
export interface PreparedCall {
  readonly to: Address;
  readonly data: Hex;
}

/** The one form in which the client uses whatever signer it was given. */
export interface AccountSigner {
  readonly address: Address;
  /** 65 bytes r, s, v as the wallet gave them. */
  signTypedData(data: TypedData): Promise<Hex>;
  /** Sends a transaction; answers its hash. */
  sendCall(call: PreparedCall): Promise<Hex>;
}

/** The chain that a signer is to act on. */
export interface SignerNetwork {
  readonly chain: Chain;
  readonly transport: Transport;
  readonly publicClient: PublicClient;
}

/**
 * Makes any signer one of ours. A signer of ethers that does not tell its address without a call (`NonceManager`, say)
 * goes through `openSigner` first.
 * @throws SIGNER_UNKNOWN, SIGNER_ACCOUNT_MISSING
 */
export function adaptSigner(account: AccountLike | AccountSigner, network: SignerNetwork): AccountSigner {
  if (isOurs(account)) return account;
  if (isWalletClient(account)) return fromWalletClient(account, network, true);
  if (isEthers(account)) {
    return fromEthers(account, addressIn(account), network);
  }
  if (isViemAccount(account)) {
    const { chain, transport } = network;
    // A key in this process signs for no chain of its own: only what is sent has to find the right one.
    return fromWalletClient(createWalletClient({ account, chain, transport }), network, account.type === "json-rpc");
  }
  throw new SignerError({ code: "SIGNER_UNKNOWN", found: describe(account) });
}

/** The same for signers that must be asked for their address. */
export async function openSigner(account: AccountLike, network: SignerNetwork): Promise<AccountSigner> {
  if (!isEthers(account)) return adaptSigner(account, network);
  return fromEthers(account, await addressOfEthers(account), network);
}

/**
 * Any signer as one of typed data alone, which needs no chain.
 * @throws SIGNER_UNKNOWN, SIGNER_ACCOUNT_MISSING
 */
export function toTypedDataSigner(account: AccountLike | AccountSigner | TypedDataSigner): TypedDataSigner {
  if (isWalletClient(account)) {
    const { account: own } = account;
    if (own === undefined) throw accountMissing();
    const address = toAddress(own.address);
    const signTypedData = (data: TypedDataRequest) =>
      asking(address, () =>
        account.signTypedData({ account: own, ...data } as TypedDataDefinition & { account: Account }),
      );
    return { address, signTypedData };
  }
  if (isEthers(account)) {
    const address = addressIn(account);
    return { address, signTypedData: (data) => asking(address, () => signWithEthers(account, data)) };
  }
  const { address } = account;
  if (!hasFunctions(account, "signTypedData") || !isHex(address, 20)) {
    throw new SignerError({ code: "SIGNER_UNKNOWN", found: describe(account) });
  }
  return account as TypedDataSigner;
}

/** Signs Leat's own statements with any signer, on any network: vouchers, API requests, proofs of possession. */
export function toStatementSigner(account: AccountSigner | StatementSigner): StatementSigner {
  if ("sign" in account) return account;
  return {
    address: account.address,
    async sign(structure, domain, value) {
      const signature = toVrs(await account.signTypedData(typedDataOf(structure, domain, value)));
      // A contract's account, or a wallet that shows another account than it signs with, is found out here and not by
      // whoever was to be paid.
      const found = nobleStatements.recoverSigner(structure, domain, value, signature);
      if (found !== account.address) {
        throw new SignerError({ code: "SIGNER_SIGNATURE_WRONG", wanted: account.address, found });
      }
      return signature;
    },
  };
}

/** Some wallets give 0 or 1 in the last byte, where contracts and statements want 27 or 28. */
export function toVrs(signature: Hex): Hex {
  if (!isHex(signature)) throw new StatementError({ code: "STATEMENT_SIGNATURE_INVALID" });
  const last = signature.slice(130);
  if (last === "00" || last === "01") return `${signature.slice(0, 130)}${last === "00" ? "1b" : "1c"}` as Hex;
  return signature.toLowerCase() as Hex;
}

function fromWalletClient(client: WalletClient, network: SignerNetwork, checksWhenSigning: boolean): AccountSigner {
  const { account } = client;
  if (account === undefined) throw accountMissing();
  const address = toAddress(account.address);
  const wanted = network.chain.id;
  return {
    address,
    async signTypedData(data) {
      if (account.type === "local" && typeof account.signTypedData !== "function") {
        throw new SignerError({ code: "SIGNER_CANNOT_SIGN", address });
      }
      return asking(address, async () => {
        if (checksWhenSigning) checkChain(wanted, await client.getChainId());
        return client.signTypedData({ account, ...data } as TypedDataDefinition & { account: Account });
      });
    },
    async sendCall(call) {
      return asking(address, async () => {
        checkChain(wanted, await client.getChainId());
        return client.sendTransaction({ account, chain: network.chain, ...call });
      });
    },
  };
}

function fromEthers(signer: EthersSigner, address: Address, network: SignerNetwork): AccountSigner {
  const wanted = network.chain.id;
  const checkNetwork = async () => {
    const found = await signer.provider?.getNetwork();
    if (found !== undefined) checkChain(wanted, Number(found.chainId));
  };
  return {
    address,
    async signTypedData(data) {
      return asking(address, async () => {
        await checkNetwork();
        return signWithEthers(signer, data);
      });
    },
    async sendCall(call) {
      return asking(address, async () => {
        await checkNetwork();
        if (signer.provider != null && signer.sendTransaction !== undefined) {
          const own = "signingKey" in signer ? { nonce: await nonceOf(address, network) } : {};
          return (await signer.sendTransaction({ ...call, ...own, chainId: wanted })).hash as Hex;
        }
        // A key without a provider: the transaction is prepared and sent by us, and signed by it.
        if (signer.signTransaction === undefined) throw new SignerError({ code: "SIGNER_CANNOT_SEND", address });
        const { chain, publicClient } = network;
        const { gas, nonce, maxFeePerGas, maxPriorityFeePerGas } = await publicClient.prepareTransactionRequest({
          account: address,
          chain,
          type: "eip1559",
          ...call,
        });
        const fees = { gasLimit: gas, maxFeePerGas, maxPriorityFeePerGas };
        const raw = await signer.signTransaction({ ...call, ...fees, nonce, chainId: wanted, type: 2 });
        return publicClient.sendRawTransaction({ serializedTransaction: raw as Hex });
      });
    },
  };
}

async function signWithEthers(
  signer: EthersSigner,
  { domain, types, message }: Pick<TypedDataRequest | TypedData, "domain" | "types" | "message">,
): Promise<Hex> {
  const copies = Object.entries(types).map(([name, fields]) => [name, fields.map((field) => ({ ...field }))]);
  return (await signer.signTypedData({ ...domain }, Object.fromEntries(copies), { ...message })) as Hex;
}

/** Providers of ethers remember an answer for a quarter of a second: a second transaction would get the same nonce. */
function nonceOf(address: Address, { publicClient }: SignerNetwork): Promise<number> {
  return publicClient.getTransactionCount({ address, blockTag: "pending" });
}

function checkChain(wanted: number, found: number): void {
  if (found === wanted) return;
  const message = `the wallet is on chain ${found}; switch it to chain ${wanted}`;
  throw new SignerError({ code: "SIGNER_CHAIN_WRONG", wanted, found }, { message });
}

/** Says no more than what happened where a person declined or a signer has no such function. */
async function asking<T>(address: Address, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const codes = codesOf(cause);
    if (codes.has(4001) || codes.has("ACTION_REJECTED")) {
      throw new SignerError({ code: "SIGNER_DECLINED", address }, { cause });
    }
    if (codes.has("UNSUPPORTED_OPERATION")) throw new SignerError({ code: "SIGNER_CANNOT_SIGN", address }, { cause });
    throw cause;
  }
}

function codesOf(error: unknown): Set<unknown> {
  const codes = new Set<unknown>();
  for (let at = error; typeof at === "object" && at !== null; at = (at as { cause?: unknown }).cause) {
    codes.add((at as { code?: unknown }).code);
  }
  return codes;
}

function accountMissing(): SignerError {
  const message = "the wallet client has no account: give createWalletClient one";
  return new SignerError({ code: "SIGNER_ACCOUNT_MISSING" }, { message });
}

/** Of a signer of ethers that tells it without a call. */
function addressIn(signer: EthersSigner): Address {
  const { address } = signer as { address?: unknown };
  if (!isHex(address, 20)) throw new SignerError({ code: "SIGNER_ACCOUNT_MISSING" });
  return toAddress(address);
}

async function addressOfEthers(signer: EthersSigner): Promise<Address> {
  const address = await signer.getAddress();
  if (!isHex(address, 20)) throw new SignerError({ code: "SIGNER_ACCOUNT_MISSING" });
  return toAddress(address);
}

function isOurs(account: unknown): account is AccountSigner {
  return hasFunctions(account, "signTypedData", "sendCall");
}

function isWalletClient(account: unknown): account is WalletClient {
  return hasFunctions(account, "signTypedData", "sendTransaction", "getChainId", "request");
}

function isEthers(account: unknown): account is EthersSigner {
  return hasFunctions(account, "getAddress", "signTypedData");
}

function isViemAccount(account: unknown): account is Account {
  const { type, address } = (account ?? {}) as { type?: unknown; address?: unknown };
  return (type === "local" || type === "json-rpc") && isHex(address, 20);
}

function hasFunctions(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  return value.constructor?.name ?? "object";
}
