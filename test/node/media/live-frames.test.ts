import assert from "node:assert/strict";
import { type FrameFollower, FrameRelay } from "@leat/node/media/live-frames.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";

const config = { kind: "video", codec: "h264" } as VideoConfig;

describe("frame relay", () => {
  it("begins at the newest key frame and goes on with each frame as it comes", () => {
    const relay = new FrameRelay();
    relay.config(1, 0, config);
    for (const pts of [0, 1, 2, 3]) relay.frame(1, 7, frameAt(pts, pts % 2 === 0));
    const told = record(relay, 1);
    relay.frame(1, 7, frameAt(4, true));
    relay.frame(2, 7, frameAt(9, true));
    assert.deepEqual(told, ["config 0", "frame 2 7", "frame 3 7", "frame 4 7"]);
  });

  it("tells followers what is void, and gives it to nobody who comes later", () => {
    const relay = new FrameRelay();
    const told = record(relay, 1);
    relay.config(1, 0, config);
    for (const pts of [0, 1, 2]) relay.frame(1, 3, frameAt(pts, pts === 0));
    relay.takeBack(1, 2);
    assert.deepEqual(record(relay, 1), ["config 0", "frame 0 3"]);
    assert.deepEqual(told, ["config 0", "frame 0 3", "frame 1 3", "frame 2 3", "back 2"]);
  });

  it("gives no frame of another configuration than the one that was told last", () => {
    const relay = new FrameRelay();
    relay.config(1, 0, config);
    relay.frame(1, 0, frameAt(0, true));
    relay.config(1, 1, { ...config, width: 2 });
    assert.deepEqual(record(relay, 1), ["config 1"]);
  });

  it("remembers of a rung that its pictures refer to later ones, as long as its configuration stands", () => {
    const relay = new FrameRelay();
    relay.config(1, 0, config);
    for (const pts of [0, 2]) relay.frame(1, 0, frameAt(pts, pts === 0));
    assert.equal(relay.isReordered(1), false);
    relay.frame(1, 0, frameAt(1, false));
    for (const pts of [3, 4]) relay.frame(1, 1, frameAt(pts, pts === 3));
    assert.deepEqual(
      [1, 2].map((rung) => relay.isReordered(rung)),
      [true, false],
    );
    relay.config(1, 1, { ...config, width: 2 });
    for (const pts of [5, 6]) relay.frame(1, 2, frameAt(pts, pts === 5));
    assert.equal(relay.isReordered(1), false);
  });

  it("takes pictures that are made anew, and a clock that begins anew, for no other order", () => {
    const relay = new FrameRelay();
    relay.config(1, 0, config);
    for (const pts of [0, 1, 2]) relay.frame(1, 0, frameAt(pts, pts === 0));
    relay.takeBack(1, 2);
    relay.frame(1, 0, frameAt(1, true));
    relay.frame(1, 1, { ...frameAt(0, true), epoch: 1 });
    assert.equal(relay.isReordered(1), false);
  });

  it("knows the order of pictures that another relay has, whoever follows them", () => {
    const [source, relay] = [new FrameRelay(), new FrameRelay()];
    for (const pts of [0, 2, 1, 3]) source.frame(1, 0, frameAt(pts, pts === 0 || pts === 3));
    const detach = relay.attach(source);
    assert.equal(relay.isReordered(1), true);
    detach();
    assert.equal(relay.isReordered(1), false);
  });

  it("ends a follower that throws, and goes on for the others", () => {
    const faults: unknown[] = [];
    const relay = new FrameRelay((error) => faults.push(error));
    const broken = new Error("broken");
    const ended: string[] = [];
    const fail = () => {
      throw broken;
    };
    for (const what of ["config", "frame", "takeBack", "end"]) {
      relay.follow(1, { ...follower([]), end: () => ended.push(what), [what]: fail });
    }
    const told = record(relay, 1);
    relay.config(1, 0, config);
    for (const pts of [0, 1]) relay.frame(1, 3, frameAt(pts, pts === 0));
    relay.takeBack(1, 1);
    relay.frame(1, 3, frameAt(1, true));
    relay.end();
    assert.deepEqual(told, ["config 0", "frame 0 3", "frame 1 3", "back 1", "frame 1 3", "end"]);
    assert.deepEqual(ended, ["config", "frame", "takeBack"]);
    assert.deepEqual(faults, [broken, broken, broken, broken]);
  });

  it("stops at the follower's word, and tells the end to all who still follow, once", () => {
    const relay = new FrameRelay();
    const [gone, told] = [[] as string[], record(relay, 1)];
    relay.follow(1, follower(gone))();
    relay.frame(1, 0, frameAt(0, true));
    relay.end();
    relay.end();
    assert.deepEqual(gone, []);
    assert.deepEqual(told, ["frame 0 0", "end"]);
    assert.deepEqual(record(relay, 1), ["frame 0 0", "end"]);
  });

  it("follows another relay while somebody follows here, and each rung once", () => {
    const source = new FrameRelay();
    const wished: boolean[] = [];
    const relay = new FrameRelay(assert.ifError, () => wished.push(relay.isFollowed(1)));
    relay.attach(source);
    source.config(1, 0, config);
    for (const pts of [0, 1, 2]) source.frame(1, 5, frameAt(pts, pts === 1));
    assert.equal(source.isFollowed(1), false);
    const [first, second] = [[] as string[], [] as string[]];
    const leaveFirst = relay.follow(1, follower(first));
    source.frame(1, 5, frameAt(3, false));
    const leaveSecond = relay.follow(1, follower(second));
    source.takeBack(1, 1);
    const all = ["config 0", "frame 1 5", "frame 2 5", "frame 3 5", "back 1"];
    assert.deepEqual([first, second], [all, all]);
    leaveFirst();
    assert.equal(source.isFollowed(1), true);
    leaveSecond();
    assert.equal(source.isFollowed(1), false);
    assert.deepEqual(wished, [true, false]);
    source.frame(1, 6, frameAt(9, true));
    assert.deepEqual(record(relay, 1), ["config 0", "frame 9 6"]);
  });

  it("goes on with its own followers when it leaves the other relay, and hears of no end from it", () => {
    const [source, relay] = [new FrameRelay(), new FrameRelay()];
    const told = record(relay, 1);
    const leave = relay.attach(source);
    source.config(1, 0, config);
    source.frame(1, 0, frameAt(0, true));
    leave();
    source.frame(1, 0, frameAt(1, false));
    source.end();
    relay.config(1, 1, config);
    relay.frame(1, 1, frameAt(2, true));
    relay.end();
    assert.deepEqual(told, ["config 0", "frame 0 0", "config 1", "frame 2 1", "end"]);
  });
});

function record(relay: FrameRelay, rung: number): string[] {
  const told: string[] = [];
  relay.follow(rung, follower(told));
  return told;
}

function follower(told: string[]): FrameFollower {
  return {
    config: (version) => told.push(`config ${version}`),
    frame: ({ pts }, sequence) => told.push(`frame ${pts} ${sequence}`),
    takeBack: (count) => told.push(`back ${count}`),
    end: () => told.push("end"),
  };
}

function frameAt(pts: number, key: boolean): Frame {
  const data = new Uint8Array(1);
  return { kind: "video", epoch: 0, dts: pts, pts, duration: 1, key, configVersion: 0, arrivalMs: 0, data };
}
