import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** The ffmpeg programs, as judges that share no code with us. */

const run = promisify(execFile);

export interface ProbedPacket {
  readonly pts: number;
  readonly dts: number;
  readonly key: boolean;
}

export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "leat-media-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Writes over what is there. */
export async function runFfmpeg(args: readonly string[]): Promise<void> {
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...args]);
}

/** Encodes a generated source to one-track fragmented MP4. */
export async function encodeFragmented(input: string[], output: string[]): Promise<Uint8Array> {
  return withDirectory(async (directory) => {
    const file = join(directory, "made.mp4");
    const flags = ["-movflags", "empty_moov+default_base_moof+frag_keyframe+delay_moov"];
    await runFfmpeg([...input, ...output, ...flags, file]);
    return Uint8Array.from(await readFile(file));
  });
}

/** Packet times in seconds, in file order. */
export async function probePackets(file: Uint8Array): Promise<ProbedPacket[]> {
  return withDirectory(async (directory) => {
    const path = join(directory, "probed.mp4");
    await writeFile(path, file);
    const { stdout } = await run(
      "ffprobe",
      ["-v", "error", "-show_entries", "packet=pts_time,dts_time,flags", "-of", "json", path],
      { maxBuffer: 64 * 2 ** 20 },
    );
    const { packets } = JSON.parse(stdout) as { packets: { pts_time: string; dts_time: string; flags: string }[] };
    return packets.map((packet) => ({
      pts: Number(packet.pts_time),
      dts: Number(packet.dts_time),
      key: packet.flags.startsWith("K"),
    }));
  });
}

/** Decodes everything; gives the decoded frames' checksums, and whatever the program complained about. */
export async function decodeFrames(
  input: Uint8Array | string,
  select: readonly string[] = [],
): Promise<{ checksums: string[]; complaints: string }> {
  return withDirectory(async (directory) => {
    let path = join(directory, "decoded.mp4");
    if (typeof input === "string") path = input;
    else await writeFile(path, input);
    const { stdout, stderr } = await run(
      "ffmpeg",
      ["-v", "error", "-nostdin", "-i", path, ...select, "-fps_mode", "passthrough", "-f", "framemd5", "-"],
      { maxBuffer: 64 * 2 ** 20 },
    );
    const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return { checksums: lines.map((line) => line.split(",").at(-1)!.trim()), complaints: stderr };
  });
}
