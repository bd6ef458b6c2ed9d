import { Demuxer, Muxer } from "node-av/api";
import { AV_CODEC_ID_AV1, AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP9 } from "node-av/constants";

/**
 * A program: `enhanced-publisher.ts FILE URL` publishes a file as it is, by FFmpeg 8's own FLV and RTMP muxers, which
 * use Enhanced RTMP for all that FLV did not know. Native code: in a process of its own.
 */
const [file, url] = process.argv.slice(2);
await using input = await Demuxer.open(file!);
const output = await Muxer.open(url!, { format: "flv" });
const places = new Map<number, number>();
const videos: readonly number[] = [AV_CODEC_ID_AV1, AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP9];
for (const stream of input.streams) {
  const isVideo = videos.includes(stream.codecpar.codecId);
  if (isVideo || stream === input.audio()) places.set(stream.index, output.addStream(stream));
}
for (const packet of input.packetsSync()) {
  const place = packet === null ? undefined : places.get(packet.streamIndex);
  if (packet !== null && place !== undefined) await output.writePacket(packet, place);
}
await output.close();
