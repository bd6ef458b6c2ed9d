import { join } from "node:path";
import { findTokenDomain } from "@leat/sdk/client/token-domain.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import type { Prices } from "@leat/sdk/protocol/job.ts";
import { costExact, parseAmount } from "@leat/sdk/protocol/units.ts";
import { BALANCE_HEADER } from "@leat/sdk/protocol/x402.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";
import { parseEther } from "viem";
import { gasOf } from "../chain/gas.ts";
import { TokenAuthorizations } from "../chain/token-authorizations.ts";
import { addPaidTranscodes } from "../http/plugins/paid-transcodes.ts";
import { X402Door } from "../http/plugins/x402.ts";
import { nativeStatements } from "../kernel/secp.ts";
import type { HlsDoor } from "../media-io/hls/routes.ts";
import type { VoucherStore } from "../metering/voucher-store.ts";
import type { Payee } from "../services/payment/index.ts";
import { PrepaidError } from "../services/prepaid/errors.ts";
import type { X402Options } from "../services/prepaid/index.ts";
import { PrepaidService } from "../services/prepaid/prepaid-service.ts";
import { gasPpmOf } from "../services/settlement/options.ts";
import type { TokenValues } from "../services/settlement/token-values.ts";
import { StoredJobService } from "../services/stored-jobs/stored-job-service.ts";
import { PrepaidStore } from "../store/prepaid.ts";
import type { Foundation } from "./foundation.ts";

export interface X402Parts {
  readonly payee: Pick<Payee, "accept">;
  readonly vouchers: VoucherStore;
  readonly tokenValues: Pick<TokenValues, "of">;
}

/**
 * Opens the door for those who pay by HTTP: in USDC, to this very node, since an operator's nodes share a beneficiary
 * and one payment to it could be shown to each of them.
 * @throws X402_TOKEN_UNSUPPORTED, X402_TOKEN_COST_MISSING
 */
export async function addX402(foundation: Foundation, { payee, vouchers, tokenValues }: X402Parts): Promise<X402Door> {
  const { chain, clock, config, database, deployment, domain, key, logger, metrics, parts, registry } = foundation;
  const asset = deployment.tokens.USDC;
  const tokens = new TokenAuthorizations(chain.publicClient, asset);
  const tokenDomain = await findTokenDomain(chain.publicClient, deployment.chainId, asset);
  if (tokenDomain === undefined) {
    const message = `the token ${asset} does not say what authorisations are signed under; set --x402.enabled false`;
    throw new PrepaidError({ code: "X402_TOKEN_UNSUPPORTED", token: asset }, { message });
  }
  const tokenValue = tokenValues.of(asset);
  if (tokenValue.perNative === undefined) {
    // Anybody may ask such a node to submit a payment, and to collect a voucher of next to nothing.
    const message = "payments by HTTP have to be worth their gas; say in --settlement.tokenCosts what it costs in USDC";
    throw new PrepaidError({ code: "X402_TOKEN_COST_MISSING", token: asset }, { message });
  }
  const decimals = await registry.decimalsOf(asset);
  const prepaid = new PrepaidService(
    {
      store: new PrepaidStore(database, asset),
      tokens,
      sender: foundation.sender,
      gas: gasOf(chain.publicClient, chain.dataFee),
      beneficiary: () => registry.reader.beneficiaryOf(key.address),
      whenConfirmed: (blockNumber, signal) => registry.whenConfirmed(blockNumber, signal),
      confirmedDepth: config.chain.confirmedDepth,
      vouchers,
      payee,
      chain: registry,
      statements: nativeStatements,
      domain,
      tokenDomain,
      deployment,
      clock,
      logger,
      metrics,
    },
    {
      chainId: deployment.chainId,
      escrow: deployment.escrow,
      asset,
      decimals,
      assetName: tokenDomain.name,
      assetVersion: tokenDomain.version,
      payTo: key.address,
      prepay: parseAmount(config.x402.prepay, decimals),
      maxHeld: parseAmount(config.x402.maxHeld, decimals),
      timeoutSeconds: config.x402.timeoutSeconds,
    },
    config.x402,
    { tokenValue, gasPpm: gasPpmOf(config.settlement), daily: parseEther(config.x402.dailyGasEther) },
  );
  parts.push({ name: "prepaid", part: prepaid });
  return new X402Door({ prepaid, publicUrl: foundation.httpUrl, logger });
}

/** Transcode jobs behind the door, at this node's own prices for a pixel. @throws X402_PRICE_MISSING */
export async function addTranscodes(
  { config, clock, deployment, http, logger, parts }: Foundation,
  prices: ReadonlyMap<Address, Prices>,
  door: X402Door,
): Promise<void> {
  const token = deployment.tokens.USDC;
  const own = prices.get(token);
  if (own === undefined) {
    const message = "transcode jobs are sold by HTTP in USDC; name prices in USDC in --sales.prices";
    throw new PrepaidError({ code: "X402_PRICE_MISSING", token }, { message });
  }
  const folder = join(config.node.dataDir, "jobs-by-http");
  const jobs = new StoredJobService({ folder, transcode: transcodeFile, clock, logger }, config.storedJobs);
  parts.push({ name: "stored jobs", part: jobs });
  await addPaidTranscodes(http, { jobs, door, prices: own }, config.storedJobs);
}

/** Playback behind the door, at this node's own price for a byte. @throws X402_PRICE_MISSING */
export function createPlaybackDoor(
  door: X402Door,
  prices: ReadonlyMap<Address, Prices>,
  { token, playback }: { readonly token: Address; readonly playback: X402Options["playback"] },
): HlsDoor | undefined {
  if (playback === "none") return undefined;
  const price = prices.get(token)?.deliveredByte;
  if (price === undefined) {
    const message = "playback is sold by HTTP in USDC; name a price for deliveredByte in USDC in --sales.prices";
    throw new PrepaidError({ code: "X402_PRICE_MISSING", token }, { message });
  }
  return {
    isPaid: (stream) => playback === "all" || (playback === "unbudgeted" && stream.isUnbudgeted === true),
    requestHeaders: ["Authorization", "Payment-Signature", "Access-Control-Expose-Headers"],
    responseHeaders: ["Payment-Required", "Payment-Response", BALANCE_HEADER],
    async admit(request, reply, sizeBytes) {
      const resource = {
        description: "playback of a stream, paid by the byte",
        mimeType: "application/vnd.apple.mpegurl",
        costExact: costExact(price, BigInt(sizeBytes)),
      };
      const hold = await door.admit(request, reply, resource);
      return hold && { settle: (sentBytes) => hold.settle(costExact(price, BigInt(sentBytes))) };
    },
  };
}
