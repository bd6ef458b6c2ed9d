import { Value } from "typebox/value";
import { CodedError } from "../../base/errors.ts";
import { type Channel, channelId, channelOf, hubChannel } from "../../protocol/channel.ts";
import { createDomain, valueFromJson, valueToJson } from "../../protocol/eip712.ts";
import { receiveAuthorizationStructure, reserveNonce } from "../../protocol/eip3009.ts";
import { type Address, bytesToHex, type Hex, toAddress } from "../../protocol/hex.ts";
import { type Voucher, voucherStructure } from "../../protocol/signed.ts";
import { nobleStatements } from "../../protocol/statements.ts";
import { typedFields } from "../../protocol/typed-data.ts";
import { CHANNEL_SCHEME, type ChannelInfo, channelInfoSchema, X402_VERSION } from "../../protocol/x402.ts";
import { type AccountLike, type AccountSigner, type TypedDataSigner, toTypedDataSigner } from "../signer.ts";
import {
  type ChannelMemory,
  countForeign,
  countSigned,
  growthOf,
  nextVoucher,
  openMemory,
  type SignedTopUp,
} from "./channel-memory.ts";

/** What nodes are paid in by HTTP. */
const USDC_DECIMALS = 6;

export class ChannelSchemeError extends CodedError<
  | { code: "X402_CLIENT_TERMS_INVALID"; field: string }
  | { code: "X402_CLIENT_ESCROW_FOREIGN"; wanted: Address; found: string }
  | { code: "X402_CLIENT_ASSET_FOREIGN"; wanted: Address; found: string }
  | { code: "X402_CLIENT_RAISE_TOO_LARGE"; asked: bigint; most: bigint }
  | { code: "X402_CLIENT_RESERVE_LIMIT"; wanted: bigint; most: bigint }
> {}

export interface ChannelSchemeOptions {
  /** A viem account or wallet client, an ethers v6 signer that knows its address, or whatever signs typed data. */
  readonly signer: AccountLike | AccountSigner | TypedDataSigner;
  /** The escrow of the network, from a deployment that the payer trusts: a server could name any contract. */
  readonly escrow: Hex;
  /** USDC on that network, from the same deployment: the payer may have other tokens in the escrow. */
  readonly asset: Hex;
  /** Base units that go into a channel's reserve when it is too small. */
  readonly topUp: bigint;
  /**
   * Most that this object ever reserves for one payee, and most that its vouchers add to what was signed for it before,
   * base units; default: one top-up. It holds whatever the payee says of its reserve.
   */
  readonly reserveLimit?: bigint;
  /** A voucher grows by so much at least: more than one request's price saves vouchers. Base units. */
  readonly raiseAtLeast?: bigint;
  /** Most that one voucher may grow by, base units; default: one top-up. */
  readonly raiseAtMost?: bigint;
}

/** The public packages' types, as far as they are needed here: `sdk` depends on none of them. */
export interface SchemeRequirements {
  readonly scheme: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: string;
  readonly payTo: string;
  readonly maxTimeoutSeconds: number;
  readonly extra: Record<string, unknown>;
}

export interface SchemeResponse {
  readonly requirements: SchemeRequirements;
  readonly settleResponse?: { readonly success: boolean; readonly extensions?: Record<string, unknown> };
  readonly paymentRequired?: { readonly extensions?: Record<string, unknown> };
}

/**
 * The scheme `leat-channel` for the public x402 clients: `client.register("eip155:42161", new LeatChannelScheme(…))`.
 * Tops a channel up once and signs a voucher for each payment. It remembers its channels in memory; one that starts
 * anew asks the payee with a voucher over nothing, and believes only vouchers that carry its own signature.
 */
export class LeatChannelScheme {
  readonly scheme = CHANNEL_SCHEME;
  readonly schemeHooks = { onPaymentResponse: (response: SchemeResponse) => this.#hear(response) };
  readonly #options: ChannelSchemeOptions & { readonly escrow: Address; readonly asset: Address };
  readonly #signer: TypedDataSigner;
  readonly #payer: Address;
  readonly #channels = new Map<Hex, ChannelMemory>();

  /** @throws SIGNER_UNKNOWN, SIGNER_ACCOUNT_MISSING */
  constructor(options: ChannelSchemeOptions) {
    this.#options = { ...options, escrow: toAddress(options.escrow), asset: toAddress(options.asset) };
    this.#signer = toTypedDataSigner(options.signer);
    this.#payer = toAddress(this.#signer.address);
  }

  /** The public clients pay in tokens alone that a scheme calls its own. */
  findDefaultAsset(asset: string): { asset: Address; decimals: number; symbol: string } | undefined {
    const { asset: own } = this.#options;
    return asset.toLowerCase() === own ? { asset: own, decimals: USDC_DECIMALS, symbol: "USDC" } : undefined;
  }

  async createPaymentPayload(
    x402Version: number,
    requirements: SchemeRequirements,
  ): Promise<{ x402Version: number; payload: Record<string, unknown> }> {
    if (x402Version !== X402_VERSION) throw invalid("x402Version");
    const chainId = readChainId(requirements.network);
    this.#checkOwn(requirements);
    const raise = this.#raise(requirements.amount);
    const memory = this.#open(requirements);
    // One after the other: two at once would both find room for what only one of them may sign.
    const payload = memory.turn.then(() => this.#sign(memory, raise, chainId, requirements));
    memory.turn = payload.catch(() => {});
    return { x402Version, payload: await payload };
  }

  #checkOwn({ asset, extra }: SchemeRequirements): void {
    const { escrow: wanted, asset: ownAsset } = this.#options;
    const escrow = String(extra.escrow);
    if (escrow.toLowerCase() !== wanted) {
      throw new ChannelSchemeError({ code: "X402_CLIENT_ESCROW_FOREIGN", wanted, found: escrow });
    }
    if (asset.toLowerCase() !== ownAsset) {
      throw new ChannelSchemeError({ code: "X402_CLIENT_ASSET_FOREIGN", wanted: ownAsset, found: asset });
    }
  }

  async #sign(
    memory: ChannelMemory,
    raise: bigint,
    chainId: number,
    requirements: SchemeRequirements,
  ): Promise<Record<string, unknown>> {
    this.#dropEndedTopUp(memory);
    // A payee that says nothing of the channel gets nothing: what it holds and what covers it is asked first.
    const isQuestion = memory.standing === undefined;
    const value = nextVoucher(memory, isQuestion ? 0n : raise);
    this.#checkLimit(memory, value);
    const topUp = await this.#topUpFor(memory, value, chainId, requirements);
    // Noted before it leaves: what is signed counts, whether or not an answer comes.
    if (!isQuestion) memory.newest = value;
    countSigned(memory, value);
    const signature = await this.#signer.signTypedData({
      domain: { name: "Leat", version: "1", chainId, verifyingContract: this.#options.escrow },
      types: { Voucher: typedFields(voucherStructure) },
      primaryType: "Voucher",
      message: { ...value },
    });
    const voucher = { value: valueToJson(voucherStructure, value), signature };
    return topUp === undefined ? { voucher } : { voucher, topUp };
  }

  #raise(amount: string): bigint {
    if (!/^[0-9]{1,38}$/.test(amount)) throw invalid("amount");
    const asked = BigInt(amount);
    const { raiseAtLeast = 1n, topUp, raiseAtMost = topUp } = this.#options;
    const raise = asked > raiseAtLeast ? asked : raiseAtLeast;
    if (raise > raiseAtMost) {
      throw new ChannelSchemeError({ code: "X402_CLIENT_RAISE_TOO_LARGE", asked: raise, most: raiseAtMost });
    }
    return raise;
  }

  /**
   * The escrow pays what the reserve does not cover from all that the payer has in it: a payee that lies about the
   * reserve must not get more than one that says how it is.
   */
  #checkLimit(memory: ChannelMemory, value: Voucher): void {
    const wanted = memory.signed + growthOf(memory, value);
    const { topUp, reserveLimit: most = topUp } = this.#options;
    if (wanted > most) throw new ChannelSchemeError({ code: "X402_CLIENT_RESERVE_LIMIT", wanted, most });
  }

  #dropEndedTopUp(memory: ChannelMemory): void {
    if (memory.topUp === undefined || Number(memory.topUp.validBefore) > nowSeconds()) return;
    // Whether it was used is asked before another one is signed.
    memory.topUp = undefined;
    memory.standing = undefined;
  }

  async #topUpFor(
    memory: ChannelMemory,
    value: Voucher,
    chainId: number,
    { asset, maxTimeoutSeconds, extra }: SchemeRequirements,
  ): Promise<SignedTopUp | undefined> {
    const { standing } = memory;
    if (memory.topUp !== undefined) return memory.topUp;
    if (standing === undefined || value.cumulative - standing.collected <= standing.reserve) return undefined;
    const { topUp: amount, reserveLimit = amount, escrow } = this.#options;
    if (memory.reserved + amount > reserveLimit) {
      const wanted = memory.reserved + amount;
      throw new ChannelSchemeError({ code: "X402_CLIENT_RESERVE_LIMIT", wanted, most: reserveLimit });
    }
    const salt = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
    const validBefore = BigInt(nowSeconds() + maxTimeoutSeconds);
    const nonce = reserveNonce(memory.channel, salt);
    const signature = await this.#signer.signTypedData({
      domain: { name: extra.name, version: extra.version, chainId, verifyingContract: asset },
      types: { ReceiveWithAuthorization: typedFields(receiveAuthorizationStructure) },
      primaryType: "ReceiveWithAuthorization",
      message: { from: this.#payer, to: escrow, value: amount, validAfter: 0n, validBefore, nonce },
    });
    memory.reserved += amount;
    memory.topUp = { value: amount.toString(), validAfter: "0", validBefore: validBefore.toString(), salt, signature };
    return memory.topUp;
  }

  /** Learns from an answer. Where that makes another try worth while, the client makes one. */
  async #hear({
    requirements,
    settleResponse,
    paymentRequired,
  }: SchemeResponse): Promise<{ recovered: true } | undefined> {
    const extensions = settleResponse?.extensions ?? paymentRequired?.extensions;
    const info = (extensions?.[CHANNEL_SCHEME] as { info?: unknown } | undefined)?.info;
    if (!Value.Check(channelInfoSchema, info)) return undefined;
    const memory = this.#open(requirements);
    const isNews = this.#learn(memory, readChainId(requirements.network), info);
    return settleResponse === undefined && isNews ? { recovered: true } : undefined;
  }

  #learn(memory: ChannelMemory, chainId: number, info: ChannelInfo): boolean {
    const before = memory.standing;
    const after = { reserve: BigInt(info.reserve), collected: BigInt(info.collected) };
    memory.standing = after;
    if (before === undefined || after.reserve + after.collected > before.reserve + before.collected) {
      memory.topUp = undefined;
    }
    const held = this.#readHeld(memory.channel, chainId, info);
    const isOther = held?.seq !== memory.newest?.seq || held?.cumulative !== memory.newest?.cumulative;
    if (held !== undefined || info.held === undefined) memory.newest = held;
    if (held !== undefined) countForeign(memory, held);
    return isOther || before === undefined;
  }

  #readHeld(channel: Channel, chainId: number, { held }: ChannelInfo): Voucher | undefined {
    if (held === undefined) return undefined;
    try {
      const value = valueFromJson(voucherStructure, held.value);
      const domain = createDomain(chainId, this.#options.escrow);
      nobleStatements.verifySigned(voucherStructure, domain, { value, signature: held.signature }, this.#payer);
      return channelId(channelOf(value)) === channelId(channel) ? value : undefined;
    } catch {
      // Not ours: it says nothing.
      return undefined;
    }
  }

  #open({ payTo, asset }: SchemeRequirements): ChannelMemory {
    const channel = hubChannel(this.#payer, toAddress(payTo), toAddress(asset));
    const id = channelId(channel);
    const known = this.#channels.get(id);
    if (known !== undefined) return known;
    const memory = openMemory(channel);
    this.#channels.set(id, memory);
    return memory;
  }
}

/** A policy for the public clients: where a server takes both, pay by the channel. */
export function preferChannel<R extends { scheme: string }>(_version: number, accepts: R[]): R[] {
  const ours = accepts.filter(({ scheme }) => scheme === CHANNEL_SCHEME);
  return ours.length > 0 ? ours : accepts;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

function readChainId(network: string): number {
  const match = /^eip155:([0-9]{1,15})$/.exec(network);
  if (match === null) throw invalid("network");
  return Number(match[1]);
}

function invalid(field: string): ChannelSchemeError {
  return new ChannelSchemeError({ code: "X402_CLIENT_TERMS_INVALID", field });
}
