import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runFfmpeg, withDirectory } from "./media/ffmpeg.ts";

/** AAC in ADTS as the ffmpeg program writes it, frame by frame. */
export async function makeAdts(...source: readonly string[]): Promise<Uint8Array[]> {
  const bytes = await withDirectory(async (directory) => {
    const file = join(directory, "sound.aac");
    await runFfmpeg([...source, "-c:a", "aac", "-f", "adts", file]);
    return readFile(file);
  });
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
    frames.push(Uint8Array.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return frames;
}

/** The tag that tells when a file of sound begins, 90 kHz. `version`: 4 counts a frame's size by 7 bits, 3 by 8. */
export function writeTimeTag(ticks: number, version: 3 | 4 = 4): Uint8Array {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(ticks));
  return writePrivateTag("com.apple.streaming.transportStreamTimestamp", time, version);
}

/** An ID3 tag with one private frame. */
export function writePrivateTag(owner: string, value: Uint8Array, version: 3 | 4 = 4): Uint8Array {
  const body = Buffer.concat([Buffer.from(`${owner}\0`), value]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(version === 4 ? sevenBits(body.length) : body.length);
  const frame = Buffer.concat([Buffer.from("PRIV"), size, Buffer.alloc(2), body]);
  const whole = Buffer.alloc(4);
  whole.writeUInt32BE(sevenBits(frame.length));
  return Uint8Array.from(Buffer.concat([Buffer.from("ID3"), Buffer.from([version, 0, 0]), whole, frame]));
}

const sevenBits = (value: number) => ((value >> 7) << 8) | (value & 127);
