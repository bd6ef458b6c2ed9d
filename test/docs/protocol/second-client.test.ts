import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HDNodeWallet } from "ethers";
import { getCollectStatus } from "../../../sdk/client/actions/account.ts";
import { joinOperator } from "../../../sdk/client/actions/operator.ts";
import { type Address, toAddress } from "../../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../support/anvil-chain.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = await readFile(join(root, "docs/protocol/second-client.md"), "utf8");
const phrase = "test test test test test test test test test test test junk";
const walletOf = (index: number) => HDNodeWallet.fromPhrase(phrase, "", `m/44'/60'/0'/0/${index}`);

/** The page's code by file name, as a reader would save it. */
const blocks = new Map(
  [...page.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, name, code]) => [name!, code!] as const),
);

const programs: Record<string, readonly string[]> = {
  "viem.mjs": [process.execPath],
  "ethers.mjs": [process.execPath],
  "curl.sh": ["sh"],
};

describe("a second client, as docs/protocol has it", () => {
  let anvil: AnvilChain;
  let folder: string;
  let payee: Address;
  before(async function () {
    this.timeout(60_000);
    anvil = await openAnvil();
    folder = await mkdtemp(join(tmpdir(), "leat-second-"));
    for (const [name, code] of blocks) await writeFile(join(folder, name), code);
    // Only what the npm registry has: the page may use viem and ethers, nothing of ours.
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    const [operator, node] = [await anvil.key(1), await anvil.key(2)];
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, 200n * 10n ** 18n);
    await joinOperator(anvil.client(operator), {
      stake: 150n * 10n ** 18n,
      node: node.signer,
      endpoint: "http://127.0.0.1/offer",
    });
    payee = node.address;
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("has a recipe for each kind of client, and none that imports ours", () => {
    assert.deepEqual([...blocks.keys()].sort(), ["abi.json", ...Object.keys(programs)].sort());
    for (const code of blocks.values()) assert.doesNotMatch(code, /@leat|sdk\//);
  });

  for (const [index, [name, [program, ...args]]] of Object.entries(programs).entries()) {
    it(`makes a voucher that the escrow accepts and pays: ${name}`, async function () {
      this.timeout(60_000);
      const payer = walletOf(index + 1);
      const { escrow, tokens } = anvil.deployment;
      await anvil.mint(tokens.USDC, toAddress(payer.address), 20_000_000n);
      const env = {
        PATH: process.env.PATH ?? "",
        RPC_URL: anvil.rpcUrl,
        ESCROW: escrow,
        TOKEN: tokens.USDC,
        PAYEE: payee,
        PAYER: toAddress(payer.address),
        PAYER_KEY: payer.privateKey,
      };
      const { stdout } = await run(program!, [...args, name], { cwd: folder, env });
      assert.equal(stdout, "collected 2500000\n");
      const channel = { payer: toAddress(payer.address), payee, token: tokens.USDC };
      const { collected, reserve } = await getCollectStatus(anvil.client(await anvil.key(3)), channel);
      assert.deepEqual([collected, reserve], [2_500_000n, 3_500_000n]);
    });
  }
});
