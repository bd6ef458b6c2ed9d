import { renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CodecContext, CodecParameters, Packet, Stream } from "node-av/lib";
import { Dictionary, FormatContext, Rational } from "node-av/lib";
import { TranscodeError } from "../../errors.ts";
import { partialPath, storedMp4 } from "../../stored.ts";
import { describeFault } from "./codec.ts";

const ERRNO: Readonly<Record<number, string>> = { 1: "EPERM", 2: "ENOENT", 5: "EIO", 13: "EACCES", 30: "EROFS" };
const NO_SPACE = 28;
const QUOTA = 122;

/** An MP4 file that has another name until it is whole. */
export class Mp4Output {
  readonly file: string;
  readonly #partial: string;
  readonly #format = new FormatContext();
  #isOpen = false;

  constructor(directory: string, name: string) {
    this.file = join(directory, `${name}.mp4`);
    this.#partial = partialPath(directory, name, process.pid);
    this.check(this.#format.allocOutputContext2(null, "mp4", this.#partial));
  }

  /** `adapt` may complete what the encoder says of the stream. */
  addStream(
    encoder: CodecContext,
    timeBase: { num: number; den: number },
    adapt?: (parameters: CodecParameters) => void,
  ): Stream {
    const stream = this.#format.newStream();
    stream.codecpar.fromContext(encoder);
    stream.timeBase = new Rational(timeBase.num, timeBase.den);
    adapt?.(stream.codecpar);
    return stream;
  }

  open(): void {
    this.check(this.#format.openOutputSync());
    this.#isOpen = true;
    using options = Dictionary.fromObject(storedMp4);
    this.check(this.#format.writeHeaderSync(options));
  }

  write(packet: Packet, stream: Stream, timeBase: { num: number; den: number }): void {
    packet.streamIndex = stream.index;
    packet.rescaleTs(timeBase, stream.timeBase);
    this.check(this.#format.interleavedWriteFrameSync(packet));
  }

  /** Completes the file and gives it its name. Returns its size. */
  finish(): number {
    this.check(this.#format.writeTrailerSync());
    this.#format.closeOutputSync();
    this.#isOpen = false;
    renameSync(this.#partial, this.file);
    return statSync(this.file).size;
  }

  discard(): void {
    if (this.#isOpen) this.#format.closeOutputSync();
    this.#isOpen = false;
    rmSync(this.#partial, { force: true });
  }

  check(result: number): void {
    if (result >= 0) return;
    if (-result === NO_SPACE || -result === QUOTA) {
      throw new TranscodeError({ code: "TRANSCODE_DISK_FULL", path: this.file });
    }
    const reason = ERRNO[-result] ?? describeFault(result);
    throw new TranscodeError({ code: "TRANSCODE_OUTPUT_UNWRITABLE", path: this.file, reason });
  }
}
