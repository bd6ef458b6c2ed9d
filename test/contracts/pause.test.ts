import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Abi, type AbiFunction, type AbiParameter, getAddress } from "viem";
import { signerPossessionStructure } from "../../sdk/protocol/signed.ts";
import { toCompactSignature } from "../../sdk/protocol/statements.ts";
import { root } from "../architecture/sources.ts";
import {
  type Actor,
  assertReverts,
  day,
  never,
  noPermit,
  thawSeconds,
  useWorld,
  zeroAddress,
  zeroHash,
} from "./support/world.ts";

type PausableContract = "operators" | "clusters" | "escrow" | "faults";

const files: Record<string, PausableContract> = {
  "operator-registry.ts": "operators",
  "cluster-registry.ts": "clusters",
  "payment-escrow.ts": "escrow",
  "faults.ts": "faults",
};

/** What a pause stops: others would rely on it from then on. */
const promises: Record<PausableContract, readonly string[]> = {
  operators: ["join", "addNode", "rotateNode", "topUp", "stakeFor"],
  clusters: ["create", "addBalancer", "accept", "acceptFor"],
  escrow: [
    "deposit",
    "depositWithPermit",
    "depositWithAuthorization",
    "reserve",
    "reserveWithAuthorization",
    "allotSigner",
  ],
  faults: ["openChallenge"],
};

/** What a pause never stops: taking out, thawing, revoking, collecting, slashing, and saying things about oneself. */
const kept: Record<PausableContract, readonly string[]> = {
  operators: [
    "thaw",
    "cancelThaw",
    "withdraw",
    "thawSponsored",
    "cancelSponsoredThaw",
    "withdrawSponsored",
    "revokeNode",
    "setEndpoint",
    "setManager",
    "setPayout",
    "slash",
  ],
  clusters: [
    "leaveCluster",
    "removeBalancer",
    "setTerms",
    "setAccess",
    "setShare",
    "setApproval",
    "startTransfer",
    "cancelTransfer",
    "acceptTransfer",
  ],
  escrow: ["withdraw", "thaw", "cancelThaw", "release", "revokeSigner", "collect", "collectFor"],
  faults: ["proveEquivocation", "pinLeaf", "answerChallenge", "proveDefault", "withdrawCredit"],
};

/** What governance does, paused or not. `setAuthority` obeys the access manager alone. */
const governed: Record<PausableContract, readonly string[]> = {
  operators: ["setMinimumStake", "setSlasher", "pause", "unpause", "setAuthority"],
  clusters: ["pause", "unpause", "setAuthority"],
  escrow: ["setTokenAllowed", "setFee", "setTreasury", "pause", "unpause", "setAuthority"],
  faults: ["setPenalties", "setAnswerPeriod", "setAnswerGas", "setSequencerFeed", "pause", "unpause", "setAuthority"],
};

/** Every contract that has a pause, with the functions that change something. */
async function readContracts(): Promise<Map<string, AbiFunction[]>> {
  const found = new Map<string, AbiFunction[]>();
  const folder = join(root, "sdk/protocol/abi");
  for (const file of await readdir(folder)) {
    const [abi] = Object.values((await import(pathToFileURL(join(folder, file)).href)) as Record<string, Abi>);
    if (!abi!.some((item) => item.type === "error" && item.name === "EnforcedPause")) continue;
    const functions = abi!.filter((item): item is AbiFunction => item.type === "function");
    found.set(
      file,
      functions.filter(({ stateMutability }) => stateMutability === "nonpayable" || stateMutability === "payable"),
    );
  }
  return found;
}

/** Well-formed and empty: a pause is found before anything else is looked at. */
function emptyOf({ type, ...rest }: AbiParameter): unknown {
  if (type.endsWith("]")) return [];
  if (type === "tuple") {
    const { components } = rest as unknown as { components: readonly AbiParameter[] };
    return Object.fromEntries(components.map((component) => [component.name, emptyOf(component)]));
  }
  if (type === "string") return "";
  if (type === "address") return zeroAddress;
  if (type === "bool") return false;
  if (type === "bytes32") return zeroHash;
  if (type === "bytes") return "0x";
  return /^u?int(8|16|32|40|48)$/.test(type) ? 0 : 0n;
}

describe("a pause", () => {
  const world = useWorld({ withoutFaults: false });

  it("has an answer for every function of every contract that can be paused", async () => {
    const contracts = await readContracts();
    assert.deepEqual([...contracts.keys()].toSorted(), Object.keys(files).toSorted());
    for (const [file, functions] of contracts) {
      const contract = files[file]!;
      const classified = [...promises[contract], ...kept[contract], ...governed[contract]];
      assert.deepEqual(functions.map(({ name }) => name).toSorted(), classified.toSorted(), file);
    }
  });

  it("stops every new promise, and is over with the pause", async () => {
    const stranger = await world().actor(40);
    const contracts = await readContracts();
    const each = async (check: (call: Promise<unknown>, name: string) => Promise<void>) => {
      for (const [file, functions] of contracts) {
        const contract = files[file]!;
        for (const { name, inputs } of functions.filter((item) => promises[contract].includes(item.name))) {
          await check(world().write(stranger.wallet, contract, name, inputs.map(emptyOf)), `${contract}.${name}`);
        }
      }
    };
    for (const contract of Object.values(files)) await world().write(world().governor, contract, "pause", []);
    await each((call) => assertReverts(call, "EnforcedPause"));
    for (const contract of Object.values(files)) await world().write(world().governor, contract, "unpause", []);
    await each(async (call, name) => {
      const reason = await call.then(
        () => "",
        (error: unknown) => String(error),
      );
      assert.ok(!reason.includes("EnforcedPause"), name);
    });
  });

  describe("never stops what was promised", () => {
    // The slasher is an account here. The functions of Faults are held to the pause where they are tested.
    const world = useWorld();
    let [operator, node, sponsor, owner, balancer, heir, buyer, slasher] = [] as unknown as Actor[];
    let cluster: bigint;
    let account: `0x${string}`;

    beforeEach(async () => {
      [sponsor, owner, balancer, heir, buyer, slasher] = await Promise.all(
        [20, 1, 2, 42, 21, 41].map((index) => world().actor(index)),
      );
      ({ cluster, account } = await world().createCluster(owner!, balancer!));
      ({ operator, node } = await world().join(3, { cluster }));
      await world().fundStake(sponsor!, 100n);
      await world().write(sponsor!.wallet, "operators", "stakeFor", [operator!.address, 100n, noPermit]);
      await world().write(world().governor, "operators", "setSlasher", [slasher!.address]);
      await world().deposit(buyer!, 1_000n);
      await world().reserve(buyer!, node!.address, 300n);
      await world().deposit(buyer!, 1_000n, account);
      await world().write(owner!.wallet, "clusters", "startTransfer", [cluster, heir!.address]);
      const value = { payer: buyer!.address, signer: heir!.address, validUntil: never };
      const signature = await heir!.signer.sign(signerPossessionStructure, world().domain, value);
      const proof = { signer: heir!.address, validUntil: never, ...toCompactSignature(signature) };
      const until = (await world().now()) + day;
      const allotment = [node!.address, world().usdc, 0n, 0, 50n, until, proof];
      await world().write(buyer!.wallet, "escrow", "allotSigner", allotment);
      for (const contract of ["operators", "clusters", "escrow"] as const) {
        await world().write(world().governor, contract, "pause", []);
      }
    });

    /** One call of every function that must go through, in an order in which each can. */
    const calls = async (): Promise<readonly [Actor, PausableContract, string, readonly unknown[]][]> => {
      const to = operator!.address;
      const channel = [0n, node!.address, world().usdc, 0n, 0];
      const key = world().key(buyer!.address, node!.address);
      const hub = world().key(account, node!.address);
      const toHub = world().key(buyer!.address, account);
      return [
        [operator!, "operators", "thaw", [10n]],
        [operator!, "operators", "cancelThaw", []],
        [operator!, "operators", "thaw", [20n]],
        [sponsor!, "operators", "thawSponsored", [to, 10n]],
        [sponsor!, "operators", "cancelSponsoredThaw", [to]],
        [sponsor!, "operators", "thawSponsored", [to, 20n]],
        [operator!, "operators", "setEndpoint", [node!.address, "https://moved.example"]],
        [operator!, "operators", "setManager", [heir!.address]],
        [operator!, "operators", "setPayout", [zeroAddress, false]],
        [buyer!, "escrow", "thaw", [...channel, 50n]],
        [buyer!, "escrow", "cancelThaw", channel],
        [buyer!, "escrow", "thaw", [...channel, 60n]],
        [buyer!, "escrow", "collect", [[world().group(key, [await world().claim(buyer!.signer, key, 30n)])]]],
        [
          heir!,
          "escrow",
          "collectFor",
          [
            cluster,
            world().usdc,
            [await world().claim(buyer!.signer, toHub, 40n)],
            [await world().claim(balancer!.signer, hub, 30n)],
          ],
        ],
        [buyer!, "escrow", "revokeSigner", [node!.address, world().usdc, 0n, 0, heir!.address]],
        [operator!, "clusters", "leaveCluster", [cluster]],
        [owner!, "clusters", "removeBalancer", [cluster, balancer!.address]],
        [owner!, "clusters", "setTerms", [cluster, "new"]],
        [owner!, "clusters", "setAccess", [cluster, 1, 1]],
        [owner!, "clusters", "setShare", [cluster, 5]],
        [owner!, "clusters", "setApproval", [cluster, to, false]],
        [owner!, "clusters", "cancelTransfer", [cluster]],
        [owner!, "clusters", "startTransfer", [cluster, heir!.address]],
        [operator!, "operators", "revokeNode", [node!.address]],
      ];
    };
    const later = (): readonly [Actor, PausableContract, string, readonly unknown[]][] => [
      [slasher!, "operators", "slash", [operator!.address, 5n]],
      [operator!, "operators", "withdraw", [operator!.address]],
      [sponsor!, "operators", "withdrawSponsored", [operator!.address, sponsor!.address]],
      [buyer!, "escrow", "release", [0n, node!.address, world().usdc, 0n, 0]],
      [buyer!, "escrow", "withdraw", [0n, world().usdc, 1n, buyer!.address]],
      [heir!, "clusters", "acceptTransfer", [cluster]],
    ];

    it("every function that takes out, thaws, revokes, collects or slashes goes through", async () => {
      const done = new Set<string>();
      const all = await calls();
      for (const [from, contract, name, args] of all) {
        await world().write(from.wallet, contract, name, args);
        done.add(`${contract}.${name}`);
      }
      await world().wait(thawSeconds + day);
      for (const [from, contract, name, args] of later()) {
        await world().write(from.wallet, contract, name, args);
        done.add(`${contract}.${name}`);
      }
      const others = Object.entries(kept).filter(([contract]) => contract !== "faults");
      const wanted = others.flatMap(([contract, names]) => names.map((name) => `${contract}.${name}`));
      assert.deepEqual([...done].toSorted(), wanted.toSorted());
      assert.equal(await world().read("clusters", "ownerOf", [cluster]), getAddress(heir!.address));
      assert.ok((await world().pool(operator!.address)) > 0n);
    });
  });
});
