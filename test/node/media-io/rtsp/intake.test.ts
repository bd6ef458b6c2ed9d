import assert from "node:assert/strict";
import { RtspIntake } from "@leat/node/media-io/rtsp/intake.ts";
import { codedTrack } from "../../../support/coded-track.ts";
import { packetsOf, paddingAlone } from "../../../support/rtp-packets.ts";

describe("rtsp intake", () => {
  it("takes a packet of padding alone for no loss", async () => {
    const track = await codedTrack("h264");
    const [first, second] = [track.frames.slice(0, 5), track.frames.slice(5, 10)];
    const before = packetsOf({ ...track, frames: first }).flat();
    const after = packetsOf({ ...track, frames: second }, { sequence: before.length + 1 }).flat();
    const video = {
      ...{ kind: "video" as const, encoding: "H264", payloadType: 96, clockRate: 90_000 },
      parameters: "",
    };
    const intake = new RtspIntake({ video: { ...video, channels: 1, uri: "" }, audio: undefined });
    const packets = [...before, paddingAlone(before.length, first.at(-1)!.pts), ...after];
    const items = packets.flatMap((packet, at) => intake.push("video", packet, at));
    assert.equal(items.filter(({ type }) => type === "video").length, 10);
  });
});
