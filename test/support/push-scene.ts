import { connect, type Socket } from "node:net";
import type { MadeRendition, PublishInfo } from "@leat/node/media-io/publish-sink.ts";
import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { codeOf, makeTsSegments, PushServer } from "./push-server.ts";
import { RecorderSink } from "./recorder-sink.ts";
import { demux, H264, packetsOf } from "./ts-files.ts";

interface PushScene {
  server: PushServer | undefined;
  /** What is published goes here. */
  sink: RecorderSink;
  asked: { key: string; info: PublishInfo }[];
  /** Of a second each, on one clock, of pictures and sound. */
  segments: readonly Uint8Array[];
}

type More = Parameters<typeof PushServer.start> extends [unknown, ...infer R] ? R : never;

/** A server of pushed segments for each test, which ends with it. To be called in a `describe`. */
export function usePushScene() {
  const on: PushScene = { server: undefined, sink: new RecorderSink(), asked: [], segments: [] };
  const take = async (key: string, info: PublishInfo) => {
    on.asked.push({ key, info });
    return on.sink;
  };

  before(async () => {
    const four = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4"];
    const sound = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=4"];
    on.segments = await makeTsSegments(...four, ...sound, ...H264, "-c:a", "aac");
    if (on.segments.length !== 4) throw new Error(`${on.segments.length} segments were made`);
  });
  beforeEach(() => {
    on.sink = new RecorderSink();
    on.asked = [];
  });
  afterEach(async () => {
    await on.server?.stop();
    on.server = undefined;
  });

  return {
    on,
    take,
    start: async (...more: More): Promise<PushServer> => {
      on.server = await PushServer.start(take, ...more);
      return on.server;
    },
    refusal: async (response: Response) => [response.status, await codeOf(response)],
  };
}

/** As if a rung had made of a segment what it is. */
export function renditionOf(segment: Uint8Array): MadeRendition {
  const { videos, configs } = demux(Uint8Array.from(segment));
  const config = configs.find((one) => one.kind === "video") as VideoConfig;
  const frames = videos.map(({ dtsMs, ctsMs, key, data }): Frame => {
    const [dts, pts] = [Math.round(dtsMs * 90), Math.round((dtsMs + ctsMs) * 90)];
    return { kind: "video", epoch: 0, dts, pts, duration: 3_600, key, configVersion: 0, arrivalMs: 0, data };
  });
  const { codec, width, height } = config;
  return { name: "source", codec, width, height, segments: [{ config, frames }] };
}

/** One picture of so many bytes. */
export function withPictures(rendition: MadeRendition, bytes: number): MadeRendition {
  const [segment] = rendition.segments;
  const [first] = segment!.frames;
  const data = Buffer.alloc(bytes, 0xff);
  data.writeUInt32BE(bytes - 4);
  data[4] = 0x65;
  return { ...rendition, segments: [{ ...segment!, frames: [{ ...first!, data }] }] };
}

/** The socket of a client that reads no answer. */
export function pushUnread(port: number, path: string, body: Uint8Array, headers: Record<string, string>): Socket {
  const socket = connect(port, "127.0.0.1").pause();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\n${lines.join("")}Content-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  return socket;
}

/** Without the first picture, which is the only key frame. */
export function withoutKey(bytes: Uint8Array): Uint8Array {
  const video = packetsOf(bytes, 0x100);
  const [first, second] = video.filter((at) => (bytes[at + 1]! & 0x40) !== 0) as [number, number];
  const dropped = new Set(video.filter((at) => at >= first && at < second));
  const kept = Array.from({ length: bytes.length / 188 }, (_, index) => index * 188).filter((at) => !dropped.has(at));
  return Uint8Array.from(Buffer.concat(kept.map((at) => bytes.subarray(at, at + 188))));
}
