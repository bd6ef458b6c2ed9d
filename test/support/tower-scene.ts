import { gasOf } from "../../node/chain/gas.ts";
import { findSignerEnd } from "../../node/chain/signer-end.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import type { NodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import type { VoucherStore } from "../../node/metering/voucher-store.ts";
import { VoucherSigners } from "../../node/services/payment/voucher-signers.ts";
import { TokenValues } from "../../node/services/settlement/token-values.ts";
import { type WatchtowerOptions, watchtowerOptions } from "../../node/services/watchtower/options.ts";
import { type WatchtowerComponents, WatchtowerService } from "../../node/services/watchtower/watchtower-service.ts";
import type { Database } from "../../node/store/database.ts";
import { LevelWatchStore, type WatchedVoucher } from "../../node/store/watched-vouchers.ts";
import { handleWatch } from "../../node/wire/watch/watch.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { type Channel, channelId } from "../../sdk/protocol/channel.ts";
import { voucherStructure } from "../../sdk/protocol/signed.ts";
import { defaultsOf } from "./defaults.ts";
import { type MoneyMarket, openMarket, randomHash } from "./money-market.ts";
import { WireHosts } from "./wire-hosts.ts";

export const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };

interface TowerSettings {
  readonly options?: Partial<WatchtowerOptions>;
  /** Whole tokens below which the tower saves nothing; default 0. */
  readonly least?: string;
  readonly issued?: NonNullable<WatchtowerComponents["issued"]>;
  /** Stands for the chain's. */
  readonly channelState?: WatchtowerComponents["chain"]["channelState"];
  /** Where its host listens; default anywhere. */
  readonly listen?: string[];
}

/** A market with towers and payees that leave their vouchers with them. */
export class TowerScene {
  readonly market: MoneyMarket;
  readonly towerKey: NodeKey;
  readonly hosts = new WireHosts();
  /** Stopped by `stopParts`, the last first. */
  readonly parts: { stop(): Promise<void> }[] = [];

  private constructor(market: MoneyMarket, towerKey: NodeKey) {
    this.market = market;
    this.towerKey = towerKey;
  }

  static async open(deposits: Parameters<typeof openMarket>[0]): Promise<TowerScene> {
    const market = await openMarket(deposits);
    return new TowerScene(market, await market.anvil.key(20));
  }

  async stopAll(): Promise<void> {
    for (const part of this.parts.splice(0).reverse()) await part.stop();
    await this.hosts.stopAll();
  }

  tokens(least = "0"): Promise<TokenValues> {
    return TokenValues.read({
      costs: ["USDC", "LPT"].map((token) => ({ token, perNative: "0", leastAmount: least })),
      tokens: this.market.anvil.deployment.tokens,
      decimalsOf: (token) => this.market.view.decimalsOf(token),
    });
  }

  async startTower(database: Database, { options: settings = {}, least = "0", ...rest }: TowerSettings = {}) {
    const { view, domain, anvil, publicClient } = this.market;
    const options = defaultsOf(watchtowerOptions, { graceMs: 0, lookEveryMs: 200, serve: "anybody", ...settings });
    const { issued, channelState = (channel) => view.channelState(channel), listen } = rest;
    const host = this.hosts.create(listen === undefined ? {} : { listen }, this.towerKey);
    const sender = await this.market.sender(this.towerKey);
    const dropped = Promise.withResolvers<void>();
    const stored = Promise.withResolvers<WatchedVoucher>();
    class WatchedStore extends LevelWatchStore {
      override async remove(...watched: readonly WatchedVoucher[]): Promise<void> {
        await super.remove(...watched);
        dropped.resolve();
      }
      override async put(watched: WatchedVoucher): Promise<void> {
        await super.put(watched);
        stored.resolve(watched);
      }
    }
    const tower = new WatchtowerService(
      {
        ...quiet,
        store: new WatchedStore(database),
        chain: {
          channelState,
          maySign: (payer, signer) => view.maySign(payer, signer),
          clusterOfAccount: (account) => view.clusterOfAccount(account),
          whenConfirmed: (blockNumber, signal) => view.whenConfirmed(blockNumber, signal),
          onEvent: (listener) => view.onEvent(listener),
          thawSeconds: () => view.thawSeconds(),
          nowSeconds: () => view.nowSeconds(),
        },
        signers: new VoucherSigners({ statements: nativeStatements, domain, chain: view, clock: systemClock }),
        signerEnd: (channel, findSigner) => findSignerEnd(view, channel, findSigner),
        serves: () => options.serve === "anybody",
        sender,
        gas: gasOf(publicClient),
        tokens: await this.tokens(least),
        deployment: anvil.deployment,
        ...(issued === undefined ? {} : { issued }),
      },
      options,
    );
    handleWatch(host, (from, request) => tower.keep(from, request), { logger: silentLogger, scores: host.scores });
    await host.start();
    this.parts.push(tower);
    await tower.start();
    return {
      tower,
      host,
      sender,
      /** The first voucher that it put on its disk, and when it first removed any. */
      stored: stored.promise,
      dropped: dropped.promise,
      contact: { address: this.towerKey.address, multiaddrs: host.multiaddrs() },
    };
  }

  /** A payee with a voucher for so many base units beyond what the chain paid. */
  async holdVoucher(
    vouchers: VoucherStore,
    channel: Channel,
    open: bigint,
    seq = 1n,
    signer: NodeKey = this.market.balancer,
  ) {
    const cumulative = (await this.market.view.channelState(channel)).collected + open;
    const value = { ...channel, cumulative, seq, usageRoot: randomHash() };
    const voucher = { value, signature: await signer.signer.sign(voucherStructure, this.market.domain, value) };
    const rest = { receiptsRoot: randomHash(), receiptHashes: [], acknowledged: true };
    await vouchers.put("held", {
      record: { channel: channelId(channel), voucher, ...rest },
      expectedSeq: seq - 1n,
      covered: [],
    });
    return voucher;
  }

  nonceOf(key: NodeKey): Promise<number> {
    return this.market.publicClient.getTransactionCount({ address: key.address });
  }
}
