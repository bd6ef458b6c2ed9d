import { Demuxer, Muxer } from "node-av/api";

/**
 * A program: `enhanced-publisher.ts FILE URL` publishes a file as it is, by FFmpeg 8's own FLV and RTMP muxers, which
 * use Enhanced RTMP for all that FLV did not know, and for every track after the first of its kind. Native code: in a
 * process of its own.
 */
const [file, url] = process.argv.slice(2);
await using input = await Demuxer.open(file!);
const output = await Muxer.open(url!, { format: "flv" });
const places = new Map(input.streams.map((stream) => [stream.index, output.addStream(stream)]));
for (const packet of input.packetsSync()) {
  const place = packet === null ? undefined : places.get(packet.streamIndex);
  if (packet !== null && place !== undefined) await output.writePacket(packet, place);
}
await output.close();
