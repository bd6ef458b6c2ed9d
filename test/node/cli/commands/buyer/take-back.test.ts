import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatTime } from "@leat/sdk/base/format-time.ts";
import { createCluster } from "@leat/sdk/client/actions/cluster.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "../../../../support/anvil-chain.ts";
import { writeCliSettings } from "../../../../support/cli-settings.ts";
import { runLeat } from "../../../../support/run-leat.ts";

const usdc = (whole: number) => String(whole * 1_000_000);

describe("cli/commands buyer, the way back of money", function () {
  this.timeout(60_000);
  let anvil: AnvilChain;
  let folder: string;
  let account: Address;
  let payee: Address;

  before(async () => {
    anvil = await openAnvil({ thawSeconds: 3_600n });
    folder = await mkdtemp(join(tmpdir(), "leat-take-back-"));
    const node = await anvil.key(1);
    account = node.address;
    await writeCliSettings(anvil, folder, { node });
    await anvil.mint(anvil.deployment.tokens.USDC, account, 10_000_000n);
    payee = (await createCluster(anvil.client(await anvil.key(2)), { terms: "", balancers: [] })).account;
  });
  after(async () => {
    await anvil?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const leat = (...args: string[]) => runLeat("buyer", ...args, "--config", join(folder, "leat.json"));
  const told = async (...args: string[]) => {
    const { code, stdout } = await leat(...args);
    assert.equal(code, 0, stdout);
    return stdout;
  };
  const done = async (...args: string[]) => {
    const { reserve, thawing, pool, ...rest } = JSON.parse(await told(...args, "--json")) as Record<string, string>;
    return { money: [reserve, thawing, pool], rest };
  };
  const refused = async (...args: string[]) => {
    const { code, stdout } = await leat(...args, "--json");
    assert.equal(code, 1, stdout);
    return (JSON.parse(stdout) as { error: Record<string, unknown> }).error;
  };
  const codeOf = async (...args: string[]) => (await refused(...args)).code;
  const of = ["--cluster", "1"];

  it("promises the deposit, thaws it, changes its mind, and has it back in the wallet after the wait", async () => {
    await told("deposit", "6", "USDC");
    const reserved = await done("reserve", "4.5", "USDC", ...of);
    assert.deepEqual(reserved.money, [usdc(4.5), "0", usdc(1.5)]);
    assert.deepEqual([reserved.rest.account, reserved.rest.payee], [account, payee]);
    assert.deepEqual((await done("thaw", "2", "USDC", ...of)).money, [usdc(2.5), usdc(2), usdc(1.5)]);
    assert.deepEqual((await done("cancel-thaw", "USDC", ...of)).money, [usdc(4.5), "0", usdc(1.5)]);
    const thawing = await told("thaw", "3", "USDC", "--payee", payee);
    const { endsAt, message } = await refused("release", "USDC", ...of);
    const when = formatTime(BigInt(endsAt as string));
    assert.match(when, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    assert.ok(thawing.includes(`3 USDC thawing until ${when}`), thawing);
    assert.ok(String(message).includes(`not free before ${when};`), String(message));
    assert.match(await told("status"), /^cluster 1 +USDC +1\.5 +3 until /m);
    await anvil.testClient.increaseTime({ seconds: 3_601 });
    await anvil.mine(1);
    assert.deepEqual((await done("release", "USDC", ...of)).money, [usdc(1.5), "0", usdc(4.5)]);
    const { rest } = await done("withdraw", "4", "USDC");
    assert.deepEqual([rest.to, rest.amount, rest.wallet], [account, usdc(4), usdc(8)]);
    const wallet = `0x${"77".repeat(20)}`;
    const elsewhere = await done("withdraw", "0.25", "USDC", "--to", wallet);
    assert.deepEqual([elsewhere.money[2], elsewhere.rest.to, elsewhere.rest.wallet], [usdc(0.25), wallet, usdc(8)]);
  });

  it("sends nothing where nobody could take it out again", async () => {
    const { escrow, tokens } = anvil.deployment;
    const refusal = await refused("withdraw", "0.1", "USDC", "--to", payee);
    assert.deepEqual([refusal.code, refusal.what], ["CLIENT_RECIPIENT_KEYLESS", "the account of cluster 1"]);
    assert.match(String(refusal.message), /nobody could take out what is sent there; /);
    assert.equal((await refused("withdraw", "0.1", "USDC", "--to", escrow)).what, "the contract escrow");
    assert.equal((await refused("withdraw", "0.1", "USDC", "--to", tokens.USDC)).what, "the contract USDC");
  });

  it("says how much there is where more is asked for, and when nothing thaws", async () => {
    await told("deposit", "1", "USDC", ...of);
    const short = await refused("withdraw", "99", "USDC");
    assert.deepEqual([short.code, short.wanted, short.found], ["CLIENT_POOL_SHORT", usdc(99), usdc(0.25)]);
    assert.equal((await refused("reserve", "99", "USDC", ...of)).code, "CLIENT_POOL_SHORT");
    const beyond = await refused("thaw", "99", "USDC", ...of);
    assert.deepEqual([beyond.code, beyond.wanted], ["CLIENT_RESERVE_SHORT", usdc(99)]);
    assert.match(String(beyond.message), /^2\.5 USDC are reserved there .* 99 were named; /);
    assert.equal(await codeOf("release", "USDC", ...of), "CLIENT_THAW_NONE");
    assert.equal(await codeOf("cancel-thaw", "USDC", ...of), "CLIENT_THAW_NONE");
  });

  it("refuses nothing as an amount, nobody as a payee, and a cluster that is not there", async () => {
    for (const command of ["deposit", "reserve", "thaw", "withdraw"]) {
      const whom = command === "reserve" || command === "thaw" ? of : [];
      assert.equal(await codeOf(command, "0.00", "USDC", ...whom), "UNITS_AMOUNT_ZERO", command);
    }
    assert.equal(await codeOf("reserve", "1", "USDC"), "CLI_USAGE");
    assert.equal(await codeOf("thaw", "1", "USDC", ...of, "--payee", payee), "CLI_USAGE");
    assert.equal(await codeOf("thaw", "1", "USDC", "--payee", `0x${"0".repeat(40)}`), "CLI_USAGE");
    const stranger = `0x${"7".repeat(40)}`;
    assert.equal(await codeOf("reserve", "0.25", "USDC", "--payee", stranger), "CLI_PAYEE_UNKNOWN");
    assert.equal(await codeOf("deposit", "0.25", "USDC", "--payee", stranger), "CLI_PAYEE_UNKNOWN");
    assert.equal((await done("reserve", "0.25", "USDC", "--payee", stranger, "--force")).money[0], usdc(0.25));
    const direct = await done("deposit", "0.5", "USDC", "--payee", stranger, "--force");
    assert.deepEqual([direct.rest.payee, direct.rest.amount], [stranger, usdc(0.5)]);
    assert.equal((await done("thaw", "0.75", "USDC", "--payee", stranger)).money[1], usdc(0.75));
    assert.equal(await codeOf("release", "USDC", "--cluster", "7"), "CLIENT_CLUSTER_UNKNOWN");
    assert.equal(await codeOf("withdraw", "1", "EUR"), "CLIENT_TOKEN_UNKNOWN");
  });
});
