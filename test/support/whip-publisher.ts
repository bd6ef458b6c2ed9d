import { Demuxer, Muxer } from "node-av/api";

/**
 * A program: `whip-publisher.ts FILE URL` publishes a file as it is, in real time, by FFmpeg 8's own WHIP muxer. Native
 * code: in a process of its own.
 */
const [file, url] = process.argv.slice(2);
await using input = await Demuxer.open(file!);
const output = await Muxer.open(url!, { format: "whip" });
const places = new Map(input.streams.map((stream) => [stream.index, output.addStream(stream)]));
let startedAt: number | undefined;
for (const packet of input.packetsSync()) {
  const place = packet === null ? undefined : places.get(packet.streamIndex);
  if (packet === null || place === undefined) continue;
  const { num, den } = packet.timeBase;
  const dueMs = (Number(packet.dts) * num * 1_000) / den;
  const pauseMs = startedAt === undefined ? 0 : dueMs - (performance.now() - startedAt);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, pauseMs)));
  await output.writePacket(packet, place);
  // The first one is held up until both sides have shaken hands: what came due meanwhile would go out at once.
  startedAt ??= performance.now() - dueMs;
}
await output.close();
