import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { joinOperator } from "../../../../sdk/client/actions/operator.ts";
import { createDomain } from "../../../../sdk/protocol/eip712.ts";
import { equivocationToJson } from "../../../../sdk/protocol/faults.ts";
import { bytesToHex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import { receiptStructure } from "../../../../sdk/protocol/signed.ts";
import { type AnvilChain, openAnvil } from "../../../support/anvil-chain.ts";
import { runLeat } from "../../../support/run-leat.ts";

const stake = 1_000n * 10n ** 18n;

describe("cli/commands fault", function () {
  this.timeout(120_000);
  let anvil: AnvilChain;
  let folder: string;
  let liar: NodeKey;
  let operator: NodeKey;

  before(async () => {
    anvil = await openAnvil();
    folder = await mkdtemp(join(tmpdir(), "leat-fault-"));
    const [reporter, ...others] = await Promise.all([1, 2, 3].map((index) => anvil.key(index)));
    [liar, operator] = others as [NodeKey, NodeKey];
    await writeFile(join(folder, "node.key"), `${bytesToHex(reporter!.secret)}\n`, { mode: 0o600 });
    const deployment = { ...anvil.deployment, deployedAtBlock: anvil.deployment.deployedAtBlock.toString() };
    const { chainId } = deployment;
    const network = { name: "local", chainId, confirmedDepth: 2, rpcUrls: [anvil.rpcUrl], deployment };
    await writeFile(join(folder, "network.json"), JSON.stringify(network));
    const settings = { node: { keyFile: join(folder, "node.key"), networkFile: join(folder, "network.json") } };
    await writeFile(join(folder, "leat.json"), JSON.stringify(settings));
    await anvil.mint(anvil.deployment.tokens.LPT, operator.address, stake);
    await joinOperator(anvil.client(operator), { stake, node: liar.signer, endpoint: "" });
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function leat(...args: string[]) {
    const argv = ["fault", ...args, "--config", join(folder, "leat.json"), "--json"];
    const { code, stdout } = await runLeat(...argv);
    return { code, answer: JSON.parse(stdout) };
  }

  async function receipt(frames: number) {
    const { chainId, escrow } = anvil.deployment;
    const value = {
      job: zeroHash,
      seq: 1n,
      attempt: 1,
      quoteHash: zeroHash,
      inputHash: zeroHash,
      outputRoot: zeroHash,
      firstFrame: 0n,
      frames,
      durationMs: 1,
      sizeBytes: 1n,
    };
    return { value, signature: await liar.signer.sign(receiptStructure, createDomain(chainId, escrow), value) };
  }

  it("says what two receipts prove, reports them once, and refuses what proves nothing", async () => {
    const file = join(folder, "pair.json");
    await writeFile(file, JSON.stringify(equivocationToJson({ first: await receipt(1), second: await receipt(2) })));
    const before = await leat("check", file);
    assert.equal(before.code, 0, JSON.stringify(before.answer));
    const { node, operator: found, proven, slashable } = before.answer;
    const part = (stake / 20n).toString();
    assert.deepEqual([node, found, proven, slashable], [liar.address, operator.address, false, part]);

    const reported = await leat("report", file);
    assert.equal(reported.code, 0, JSON.stringify(reported.answer));
    assert.deepEqual([reported.answer.taken, reported.answer.reward], [part, (stake / 200n).toString()]);
    const after = await leat("check", file);
    assert.deepEqual([after.answer.proven, after.answer.slashable], [true, "0"]);
    const again = await leat("report", file);
    assert.deepEqual([again.code, again.answer.error.code], [1, "CLIENT_REVERTED"]);

    const same = await receipt(1);
    await writeFile(file, JSON.stringify(equivocationToJson({ first: same, second: same })));
    assert.equal((await leat("check", file)).answer.error.code, "FAULT_RECEIPTS_SAME");
    await writeFile(file, "{}");
    assert.equal((await leat("check", file)).answer.error.code, "FAULT_FILE_INVALID");
    await writeFile(file, "no json");
    assert.equal((await leat("report", file)).answer.error.code, "CLI_FAULT_UNREADABLE");
    assert.equal((await leat("report", join(folder, "none"))).answer.error.code, "CLI_FAULT_UNREADABLE");
  });
});
