import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { JsonRpcProvider, NonceManager, VoidSigner, Wallet } from "ethers";
import { createPublicClient, createWalletClient, http } from "viem";
import { privateKeyToAccount, toAccount } from "viem/accounts";
import { mainnet } from "viem/chains";
import { vectorKeyOf } from "../../../scripts/generate-vectors.ts";
import {
  type AccountLike,
  adaptSigner,
  type EthersSigner,
  openSigner,
  type SignerNetwork,
  toStatementSigner,
} from "../../../sdk/client/signer.ts";
import { signApiRequest } from "../../../sdk/protocol/api-request.ts";
import { createDomain, type Structure, valueFromJson } from "../../../sdk/protocol/eip712.ts";
import { bytesToHex, type Hex } from "../../../sdk/protocol/hex.ts";
import * as signed from "../../../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../../../sdk/protocol/statements.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const vectors = JSON.parse(await readFile(new URL("../../vectors/statements.json", import.meta.url), "utf8"));
const domain = createDomain(vectors.domain.chainId, vectors.domain.verifyingContract);
const structures = (Object.values(signed) as unknown as Structure<unknown>[])
  .filter((item) => typeof item === "object" && "typeHash" in item)
  .toSorted((left, right) => left.name.localeCompare(right.name));

/** Nobody listens there: what signs alone must need no chain. */
const nowhere = http("http://127.0.0.1:1");
const network: SignerNetwork = {
  chain: mainnet,
  transport: nowhere,
  publicClient: createPublicClient({ chain: mainnet, transport: nowhere }),
};
const keyOf = (index: number) => bytesToHex(new Uint8Array(32).fill(index + 1));
const adapt = (account: unknown) => adaptSigner(account as AccountLike, network);
/** A signer of ethers that does what a test wants. */
const ethersLike = (own: Partial<EthersSigner> & { address?: string }) => ({
  address: new Wallet(keyOf(0)).address,
  getAddress: async () => new Wallet(keyOf(0)).address,
  signTypedData: async () => "0x",
  ...own,
});

const signers: Record<string, (key: Hex) => AccountLike> = {
  "a viem account": (key) => privateKeyToAccount(key),
  "a viem wallet client": (key) => {
    const account = privateKeyToAccount(key);
    const client = createWalletClient({ account, chain: mainnet, transport: nowhere });
    // Asked before it signs, as a wallet in a browser is.
    return { ...client, getChainId: async () => mainnet.id };
  },
  "an ethers wallet": (key) => new Wallet(key),
};

describe("signers of a buyer's own", () => {
  for (const [name, make] of Object.entries(signers)) {
    it(`sign every structure as the vectors have it: ${name}`, async () => {
      assert.ok(structures.length >= 13);
      for (const structure of structures) {
        const vector = vectors.statements[structure.name];
        const signer = toStatementSigner(adapt(make(bytesToHex(vectorKeyOf(structure.name)))));
        assert.equal(signer.address, vector.signer);
        const value = valueFromJson(structure, vector.value);
        const signature = await signer.sign(structure, domain, value);
        assert.equal(signature, vector.signature, structure.name);
        const { r, vs } = vector;
        assert.deepEqual(toCompactSignature(signature), { r, vs });
      }
    });

    it(`sign an API request as the key itself does: ${name}`, async () => {
      const parts = { method: "POST", target: "/v1/streams", body: new TextEncoder().encode("{}") };
      const nonce = `0x${"07".repeat(32)}` as Hex;
      const key = nobleStatements.createSigner(new Uint8Array(32).fill(1));
      const own = toStatementSigner(adapt(make(keyOf(0))));
      const facts = { cluster: 7n, issuedAt: 9n, nonce };
      const [ours, theirs] = await Promise.all([key, own].map((one) => signApiRequest(one, domain, parts, facts)));
      assert.equal(theirs, ours);
    });
  }

  it("are asked for their address where they do not tell it", async () => {
    const manager = new NonceManager(new Wallet(keyOf(0)));
    assert.throws(() => adapt(manager), { code: "SIGNER_ACCOUNT_MISSING" });
    const opened = await openSigner(manager, network);
    assert.equal(opened.address, vectors.statements.ApiRequest.signer);
    assert.equal(adapt(opened), opened);
  });

  it("take 0 and 1 in the last byte for 27 and 28, as some hardware wallets give them", async () => {
    const wallet = new Wallet(keyOf(0));
    const structure = structures[0]!;
    const { value, signature } = vectors.statements[structure.name];
    const odd = ethersLike({
      async signTypedData(...args) {
        const good = await wallet.signTypedData(...args);
        return `${good.slice(0, 130)}0${Number.parseInt(good.slice(130), 16) - 27}`;
      },
    });
    const own = toStatementSigner(adapt(odd));
    assert.equal(await own.sign(structure, domain, valueFromJson(structure, value)), signature);
  });

  it("get a code of their own for each way in which they are none", async () => {
    const account = privateKeyToAccount(keyOf(0));
    const noAccount = createWalletClient({ chain: mainnet, transport: nowhere });
    assert.throws(() => adapt(noAccount), { code: "SIGNER_ACCOUNT_MISSING" });
    for (const none of [undefined, 7, {}, keyOf(0), { address: account.address }, { _signTypedData: () => "0x" }]) {
      assert.throws(() => adapt(none), { code: "SIGNER_UNKNOWN" });
    }
    const call = { to: account.address.toLowerCase() as Hex, data: "0x" as Hex };
    const structure = structures[0]!;
    const value = valueFromJson(structure, vectors.statements[structure.name].value);
    const sign = (own: unknown) => toStatementSigner(adapt(own)).sign(structure, domain, value);
    const cases: readonly (readonly [code: string, refused: () => Promise<unknown>])[] = [
      ["SIGNER_CANNOT_SIGN", () => sign(new VoidSigner(account.address))],
      ["SIGNER_CANNOT_SIGN", () => sign({ ...account, signTypedData: undefined })],
      ["SIGNER_CANNOT_SEND", () => adapt(ethersLike({})).sendCall(call)],
      ["SIGNER_SIGNATURE_WRONG", () => sign({ ...account, address: `0x${"ab".repeat(20)}` })],
      ["STATEMENT_SIGNATURE_LENGTH", () => sign(ethersLike({ signTypedData: async () => `0x${"11".repeat(96)}` }))],
      ["STATEMENT_SIGNATURE_INVALID", () => sign(ethersLike({ signTypedData: async () => "signed" }))],
    ];
    for (const [code, refused] of cases) await assert.rejects(refused(), { code });
    const declining = ethersLike({
      signTypedData: () => Promise.reject(Object.assign(new Error("no"), { code: "ACTION_REJECTED" })),
    });
    await assert.rejects(sign(declining), { code: "SIGNER_DECLINED" });
    const declined = Object.assign(new Error("no"), { cause: { code: 4001 } });
    const person = toAccount({
      address: account.address,
      signMessage: () => Promise.reject(declined),
      signTransaction: () => Promise.reject(declined),
      signTypedData: () => Promise.reject(declined),
    });
    await assert.rejects(sign(person), { code: "SIGNER_DECLINED" });
  });

  it("sign nothing that is out of range, and nothing malleable", async () => {
    const structure = signed.voucherStructure;
    const { value } = vectors.statements.Voucher;
    for (const make of Object.values(signers)) {
      const own = toStatementSigner(adapt(make(keyOf(0))));
      const wide = { ...valueFromJson(structure, value), cumulative: 1n << 128n };
      await assert.rejects(own.sign(structure, domain, wide), { code: "STATEMENT_FIELD_RANGE" });
    }
    const wallet = new Wallet(keyOf(0));
    const mirroring = ethersLike({
      async signTypedData(...args) {
        const good = await wallet.signTypedData(...args);
        const s = order - BigInt(`0x${good.slice(66, 130)}`);
        return `${good.slice(0, 66)}${s.toString(16).padStart(64, "0")}${good.endsWith("1b") ? "1c" : "1b"}`;
      },
    });
    const own = toStatementSigner(adapt(mirroring));
    const rejected = own.sign(structure, domain, valueFromJson(structure, value));
    await assert.rejects(rejected, { code: "STATEMENT_SIGNATURE_HIGH_S" });
  });

  it("are refused on another chain before they sign or send", async () => {
    const wrong = { code: "SIGNER_CHAIN_WRONG", wanted: 1, found: 5 };
    const account = privateKeyToAccount(keyOf(0));
    const client = createWalletClient({ account, chain: mainnet, transport: nowhere });
    const provider = new JsonRpcProvider("http://127.0.0.1:1", 5, { staticNetwork: true });
    const call = { to: account.address.toLowerCase() as Hex, data: "0x" as Hex };
    const structure = structures[0]!;
    const value = valueFromJson(structure, vectors.statements[structure.name].value);
    for (const own of [{ ...client, getChainId: async () => 5 }, new Wallet(keyOf(0), provider)]) {
      await assert.rejects(adapt(own).sendCall(call), { detail: wrong });
      await assert.rejects(toStatementSigner(adapt(own)).sign(structure, domain, value), { detail: wrong });
    }
    provider.destroy();
  });
});
