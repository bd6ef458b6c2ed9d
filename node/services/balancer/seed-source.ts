import { randomBytes } from "node:crypto";
import { bytesToHex, hexToBytes } from "@leat/sdk/protocol/hex.ts";
import { type SeedCommit, seedCommitStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { SeedOrigin } from "@leat/sdk/selection/receipt.ts";
import { createSeedChain, type SeedChain } from "@leat/sdk/selection/seed.ts";
import { Mutex } from "../../kernel/mutex.ts";
import type { BalancerComponents } from "./ports.ts";

interface Epoch {
  readonly epoch: number;
  readonly chain: SeedChain;
  readonly commit: Signed<SeedCommit>;
  used: number;
}

type Components = Pick<BalancerComponents, "selectionStore" | "signer" | "domain" | "cluster">;

/** The balancer's committed seeds, in order, each used once, across restarts too. */
export class SeedSource {
  readonly #components: Components;
  readonly #length: number;
  readonly #mutex = new Mutex();
  #epoch: Epoch | undefined;

  constructor(components: Components, length: number) {
    this.#components = components;
    this.#length = length;
  }

  async load(): Promise<void> {
    const row = await this.#components.selectionStore.newestEpoch();
    if (row === undefined) {
      await this.#begin(1);
      return;
    }
    const { epoch, commit, secret, used } = row;
    this.#epoch = { epoch, commit, used, chain: createSeedChain(hexToBytes(secret, 32), commit.value.length) };
  }

  /** What the balancer is bound to now. */
  get commit(): Signed<SeedCommit> {
    return this.#held().commit;
  }

  /** The next preimage; on disk as used before anybody learns it. */
  next(): Promise<Omit<SeedOrigin, "buyerNonce">> {
    return this.#mutex.run(async () => {
      if (this.#held().used >= this.#held().chain.length) await this.#begin(this.#held().epoch + 1);
      const held = this.#held();
      held.used += 1;
      await this.#components.selectionStore.useSeed(held.epoch, held.used);
      return { epoch: held.epoch, index: held.used, preimage: held.chain.preimage(held.used) };
    });
  }

  async #begin(epoch: number): Promise<void> {
    const { selectionStore, signer, domain, cluster } = this.#components;
    const secret = randomBytes(32);
    const chain = createSeedChain(secret, this.#length);
    const value: SeedCommit = { cluster, epoch: BigInt(epoch), anchor: chain.anchor, length: chain.length };
    const commit = { value, signature: await signer.sign(seedCommitStructure, domain, value) };
    await selectionStore.addEpoch({ epoch, secret: bytesToHex(secret), commit, used: 0 });
    this.#epoch = { epoch, chain, commit, used: 0 };
  }

  #held(): Epoch {
    if (this.#epoch === undefined) throw new Error("seeds are used before they are loaded");
    return this.#epoch;
  }
}
