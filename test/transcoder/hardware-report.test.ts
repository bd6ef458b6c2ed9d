import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describeHardware, withoutOwner } from "@leat/transcoder/hardware-report.ts";

describe("transcoder/hardware-report", () => {
  it("tells the machine and its encoders, and neither its name nor a path", () => {
    const reason = `lost: at file:///home/ada/leat/transcoder/worker.ts:12:3 on ${hostname()}`;
    const report = describeHardware("node-av", [
      { codec: "h264", encoder: "h264_qsv", works: false, pixelsPerSecond: 0, reason },
      { codec: "h264", encoder: "libx264", works: true, pixelsPerSecond: 9 },
    ]);
    assert.equal(report.encoders[0]!.reason, "lost: at PATH:12:3 on NAME");
    assert.deepEqual(report.encoders[1], { codec: "h264", encoder: "libx264", works: true, pixelsPerSecond: 9 });
    assert.deepEqual([report.platform, report.architecture], [process.platform, process.arch]);
    const text = JSON.stringify(report);
    assert.ok(!text.includes(hostname()) && !text.includes("/home/"), text);
  });

  it("takes paths of every system out of what a driver said, and people's names", () => {
    assert.equal(withoutOwner("open /dev/dri/renderD128: denied", []), "open PATH: denied");
    assert.equal(withoutOwner("C:\\Users\\ada\\x.dll failed for ada", ["ada"]), "PATH failed for NAME");
    assert.equal(withoutOwner("50 frames/s of 1/2", []), "50 frames/s of 1/2");
  });
});
