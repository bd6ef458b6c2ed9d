import assert from "node:assert/strict";
import { storageRoot } from "../../../sdk/protocol/storage-tree.ts";
import { FaultWorld } from "../support/fault-world.ts";
import { useWorld } from "../support/world.ts";

const gasPerLevel = 1_500n;

describe("Faults: gas of an answer", () => {
  const world = useWorld({ withoutFaults: false });

  it("is at most half of what the bond counts, from one leaf to a thousand, and a level within its part", async () => {
    const faults = new FaultWorld(world());
    const { node } = await world().join(3);
    const buyer = await world().actor(9);
    const { gas: counted } = await faults.read<{ gas: bigint }>("answerGas", []);
    const used: bigint[] = [];
    // Full leaves: whichever one is drawn costs the same but for the zeros in it.
    for (const levels of [0, 4, 10]) {
      const content = faults.content(1_024 << levels);
      const deal = await faults.deal(node, buyer, {
        nonce: BigInt(levels),
        contentRoot: storageRoot(content),
        sizeBytes: BigInt(content.length),
      });
      const leaf = await faults.openAndPin(buyer, deal);
      const receipt = await faults.write(node, "answerChallenge", faults.answer(deal, leaf, content));
      const most = counted / 2n + BigInt(levels) * gasPerLevel;
      assert.ok(receipt.gasUsed <= most, `${levels} levels take ${receipt.gasUsed} of ${most}`);
      used.push(receipt.gasUsed);
    }
    const perLevel = (used[2]! - used[0]!) / 10n;
    assert.ok(perLevel <= gasPerLevel, `a level takes ${perLevel} of ${gasPerLevel}`);
  });
});
