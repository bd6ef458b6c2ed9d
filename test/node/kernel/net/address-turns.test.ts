import assert from "node:assert/strict";
import { AddressTurns } from "../../../../node/kernel/net/pinned-address.ts";

const first = { address: "192.0.2.1", family: 4 };
const second = { address: "2001:db8::1", family: 6 };
const third = { address: "192.0.2.2", family: 4 };

describe("addresses of a name in turn", () => {
  it("are tried one after the other, and again where all have failed, in whatever order they are found", () => {
    const turns = new AddressTurns();
    const tried = [
      turns.next([first, second]),
      turns.next([second, first]),
      turns.next([first, second, third]),
      turns.next([third, first, second]),
    ];
    assert.deepEqual(tried, [first.address, second.address, third.address, third.address]);
  });

  it("are left only where they fail", () => {
    const turns = new AddressTurns();
    assert.deepEqual([turns.next([first, second]), turns.next([first, second])], [first.address, second.address]);
    turns.worked();
    turns.worked();
    assert.equal(turns.next([first, second]), second.address);
    turns.worked();
    assert.equal(turns.next([first, second]), second.address);
    assert.equal(turns.next([first, second]), first.address);
  });

  it("are those of the name as it stands", () => {
    const turns = new AddressTurns();
    turns.next([first]);
    turns.worked();
    assert.equal(turns.next([second]), second.address);
    assert.equal(turns.next([second]), second.address);
  });
});
