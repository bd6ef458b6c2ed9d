import type { ChannelView } from "@leat/node/chain/channel-view.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { type Allotment, findAllotmentFault } from "@leat/node/metering/allotment.ts";
import { type Channel, channelOf } from "@leat/sdk/protocol/channel.ts";
import { type Domain, StatementError } from "@leat/sdk/protocol/eip712.ts";
import { type Address, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, Statements } from "@leat/sdk/protocol/statements.ts";
import { PaymentError } from "./errors.ts";

export interface VoucherSignersComponents {
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly chain: Pick<ChannelView, "maySign" | "allotment">;
  readonly clock: Clock;
}

/** A key that the payer allotted the channel. Without one, the payer itself signs, or a balancer of the payer's cluster. */
export interface AllottedKey {
  readonly signer: Address;
  readonly allotment: Allotment;
}

/** Chains that a wallet may be on by mistake: mainnets and test networks of Ethereum, Base and Arbitrum, development chains. */
const knownChains = [1, 8_453, 42_161, 11_155_111, 84_532, 421_614, 31_337, 1_337];

/** What stands on chain for a key that was never allotted. */
const nothing: Allotment = { cap: 0n, validUntil: 0n };

const signatureCodes = {
  STATEMENT_SIGNATURE_LENGTH: "VOUCHER_SIGNATURE_LENGTH",
  STATEMENT_SIGNATURE_HIGH_S: "VOUCHER_SIGNATURE_HIGH_S",
  STATEMENT_SIGNATURE_RECOVERY_ID: "VOUCHER_SIGNATURE_RECOVERY_ID",
} as const;

/** Who may sign vouchers, and for how much. */
export class VoucherSigners {
  readonly #components: VoucherSignersComponents;

  constructor(components: VoucherSignersComponents) {
    this.#components = components;
  }

  /** Who signed, whether it may or not. */
  recover({ value, signature }: Signed<Voucher>): Address {
    const { statements, domain } = this.#components;
    try {
      return statements.recoverSigner(voucherStructure, domain, value, signature);
    } catch (cause) {
      if (!(cause instanceof StatementError)) throw cause;
      if ("field" in cause.detail) {
        throw new PaymentError({ code: "VOUCHER_FIELD_INVALID", field: cause.detail.field }, { cause });
      }
      const code = signatureCodes[cause.code as keyof typeof signatureCodes] ?? "VOUCHER_SIGNATURE_INVALID";
      throw new PaymentError({ code }, { cause });
    }
  }

  /** The same, undefined for a signature that is none. */
  find(voucher: Signed<Voucher>): Address | undefined {
    try {
      return this.recover(voucher);
    } catch (error) {
      if (error instanceof PaymentError) return undefined;
      throw error;
    }
  }

  /** What a key may sign on a channel as an allotted one; undefined for the payer's own keys, which may sign anything. */
  async allottedKey(channel: Channel, signer: Address): Promise<AllottedKey | undefined> {
    const { chain } = this.#components;
    if (await chain.maySign(channel.payer, signer)) return undefined;
    return { signer, allotment: (await chain.allotment(channel, signer)) ?? nothing };
  }

  /** Whether the key may or ever might sign for the channel: for what was signed before and is only looked at again. */
  async isKnown(channel: Channel, signer: Address): Promise<boolean> {
    const key = await this.allottedKey(channel, signer);
    return key === undefined || key.allotment.validUntil > 0n;
  }

  /**
   * Refuses a voucher whose signer may not sign it. Answers the key where it is an allotted one.
   * @param atSeconds As of when, seconds since 1970; default now.
   */
  async check(voucher: Signed<Voucher>, atSeconds = this.nowSeconds()): Promise<AllottedKey | undefined> {
    const { value } = voucher;
    const signer = this.recover(voucher);
    const key = await this.allottedKey(channelOf(value), signer);
    if (key === undefined) return undefined;
    if (key.allotment.validUntil === 0n) this.#findForeignDomain(voucher);
    this.checkAllotted(key, value, atSeconds);
    return key;
  }

  /** The same for a voucher that this key is about to sign. */
  checkAllotted(
    { signer, allotment }: AllottedKey,
    { payer, cumulative }: Pick<Voucher, "payer" | "cumulative">,
    atSeconds = this.nowSeconds(),
  ): void {
    if (allotment.validUntil === 0n) throw new PaymentError({ code: "VOUCHER_SIGNER_WRONG", payer, signer });
    const { cap, validUntil } = allotment;
    const fault = findAllotmentFault(allotment, cumulative, atSeconds);
    if (fault === "VOUCHER_SIGNER_CAP") throw new PaymentError({ code: fault, signer, cap, cumulative });
    if (fault !== undefined) throw new PaymentError({ code: fault, signer, validUntil });
  }

  /** A voucher that its payer signed for another network or contract looks like a stranger's. Says which, where it can. */
  #findForeignDomain({ value, signature }: Signed<Voucher>): void {
    const { statements, domain } = this.#components;
    const signedIn = (other: Domain) =>
      statements.recoverSigner(voucherStructure, other, value, signature) === value.payer;
    const wanted = domain.chainId;
    const found = knownChains.find((chainId) => chainId !== wanted && signedIn({ ...domain, chainId }));
    if (found !== undefined) throw new PaymentError({ code: "VOUCHER_CHAIN_WRONG", wanted, found });
    const contract = [value.token, value.payee, zeroAddress].find((one) =>
      signedIn({ ...domain, verifyingContract: one }),
    );
    if (contract === undefined) return;
    throw new PaymentError({ code: "VOUCHER_CONTRACT_WRONG", wanted: domain.verifyingContract, found: contract });
  }

  nowSeconds(): bigint {
    return BigInt(Math.floor(this.#components.clock.nowMs() / 1_000));
  }
}
