import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { SLICE_BYTES } from "../hls/counted-body.ts";
import type { ByteRange } from "../hls/range.ts";
import { WatchCheck } from "../playout/watch-check.ts";
import { askAgain } from "./ask-again.ts";
import type { FileTaker } from "./mp4-viewer.ts";
import type { FileSlice, WholeFile } from "./whole-file.ts";

export interface FileTransferParts extends FileTaker {
  readonly file: WholeFile;
  readonly range: ByteRange;
  readonly response: Pick<ServerResponse, "once">;
}

/** Who takes none of them for so long holds a place and does not watch. */
const STALLED_MS = 30_000;

/** One viewer takes a whole file, or a range of it; what went out is counted, and nothing else. */
export class FileTransfer {
  /** To be sent. It is cut off where the viewer may have no more of it. */
  readonly body: Readable;
  readonly #parts: FileTransferParts;
  readonly #slices: Iterator<FileSlice, void, undefined>;
  readonly #check: WatchCheck;
  #given: FileSlice | undefined;
  #givenMs: number;

  constructor(parts: FileTransferParts) {
    const { file, range, response, recheckMs, nowMs, onEnd } = parts;
    this.#parts = parts;
    this.#slices = file.read(range, SLICE_BYTES);
    this.#givenMs = nowMs();
    this.#check = new WatchCheck(file.stream, recheckMs, this.#givenMs);
    this.body = new Readable({ highWaterMark: 0, read: () => this.#advance() });
    this.body.once("close", onEnd);
    response.once("finish", () => this.#settle());
    this.tick();
  }

  /** To be called about once a second. */
  tick(): void {
    const { audience, viewer, mayWatch, nowMs, logger } = this.#parts;
    if (nowMs() - this.#givenMs > STALLED_MS) {
      this.cut();
      return;
    }
    audience?.see(viewer);
    if (this.#check.isDue(nowMs())) askAgain(mayWatch, this, logger);
  }

  /** Cuts it off: its length was told, so nobody takes it for the whole. */
  cut(): void {
    this.body.destroy();
  }

  #advance(): void {
    // Asked for more: what was given before has drained.
    this.#settle();
    const { done, value } = this.#slices.next();
    this.#givenMs = this.#parts.nowMs();
    this.#given = value ?? undefined;
    this.body.push(done === true ? null : this.#given!.bytes);
  }

  #settle(): void {
    const { file, audience, onSent } = this.#parts;
    for (const sent of this.#given?.media ?? []) {
      const bytes = file.count(sent);
      const { seconds, sizeBytes, prefix } = sent.piece;
      audience?.sent(bytes, (seconds * bytes) / (sizeBytes - prefix.length));
      onSent(bytes);
    }
    this.#given = undefined;
  }
}
