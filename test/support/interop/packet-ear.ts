import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Ear } from "./ear.ts";

export const VIDEO_TICKS_PER_MS = 90;
export const AUDIO_TICKS_PER_MS = 48;
/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_S = 2_208_988_800;

/**
 * Tells the RTP time with which each beep begins, in milliseconds of the track's own clock. Decoded from the packets on
 * their way to the player, it is the same however late a busy machine comes to it. Runs in a worker of the page, for a
 * track of Opus.
 */
export const packetEar = `
${Ear}
onrtctransform = ({ transformer: { readable, writable } }) => {
  const ear = new Ear(${AUDIO_TICKS_PER_MS});
  // The decoder counts on from the first packet's time, over what is missing: each packet gives one piece of sound.
  const given = [];
  const decoder = new AudioDecoder({
    output(sound) {
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      sound.close();
      for (const atMs of ear.hear(samples, given.shift())) postMessage(atMs);
    },
    error(error) { throw error; },
  });
  decoder.configure({ codec: "opus", sampleRate: ${AUDIO_TICKS_PER_MS * 1_000}, numberOfChannels: 2 });
  let ticks;
  const listen = new TransformStream({
    transform(frame, controller) {
      const { rtpTimestamp } = frame.getMetadata();
      // They go round after a day.
      ticks = ticks === undefined ? rtpTimestamp : ticks + ((rtpTimestamp - ticks) | 0);
      const atMs = ticks / ${AUDIO_TICKS_PER_MS};
      given.push(atMs);
      const timestamp = Math.round(atMs * 1_000);
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: frame.data.slice(0) }));
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(listen).pipeTo(writable);
};`;

/** What a sender says of a track: it was at this RTP time when its wall clock was there. */
export interface SenderReport {
  /** Since 1970. */
  readonly wallMs: number;
  readonly ticks: number;
}

/**
 * What Chromium was told of a track. Its log of a connection holds every packet of RTCP as it came, decrypted
 * (`raw_packet` and `raw_packet_blobs` in rtc_event_log2.proto). Read here by itself, with none of the code that is judged.
 */
export async function readReports(eventLogs: string, ssrc: number): Promise<SenderReport[]> {
  const names = (await readdir(eventLogs)).filter((name) => name.startsWith("event_log"));
  const head = Buffer.alloc(8);
  // RFC 3550, 6.4.1: a report of a sender that receives nothing itself, of 28 bytes.
  head.writeUInt32BE(0x80c80006);
  head.writeUInt32BE(ssrc, 4);
  const reports: SenderReport[] = [];
  for (const name of names) {
    const log = await readFile(join(eventLogs, name));
    for (let at = log.indexOf(head); at >= 0 && at + 28 <= log.length; at = log.indexOf(head, at + 28)) {
      const [seconds, fraction] = [log.readUInt32BE(at + 8) - NTP_EPOCH_S, log.readUInt32BE(at + 12) / 2 ** 32];
      reports.push({ wallMs: (seconds + fraction) * 1_000, ticks: log.readUInt32BE(at + 16) });
    }
  }
  return reports;
}

/** The sender's wall clock when a track's own clock is there, by the nearest of its reports. */
export function senderMs(reports: readonly SenderReport[], atMs: number, ticksPerMs: number): number {
  // RTP times go round: half a round at most lies between two of them.
  const since = (report: SenderReport) => (Math.round(atMs * ticksPerMs) - report.ticks) | 0;
  const nearest = reports.reduce((best, one) => (Math.abs(since(one)) < Math.abs(since(best)) ? one : best));
  return nearest.wallMs + since(nearest) / ticksPerMs;
}
