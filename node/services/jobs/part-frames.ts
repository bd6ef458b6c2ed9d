import type { FrameMessage } from "@leat/node/wire/media/message.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";

/** Numbers that are kept of a frame: its times, whether it is a key frame, its configuration and where its data begins. */
const FIELDS = 7;

/**
 * The frames of a part that is whole, without an object for each: a node holds some ten thousands of them, which its
 * collector would look at again and again.
 */
export class PartFrames {
  readonly #rung: number;
  readonly #sequence: number;
  readonly #kind: Frame["kind"];
  readonly #epoch: number;
  readonly #bytes: Uint8Array;
  readonly #fields: readonly number[];
  /** By the place of the frame. */
  readonly #tags: ReadonlyMap<number, NonNullable<Frame["tags"]>>;

  /** `bytes`: the part, which ends with the frames' data, in order. From now on theirs are pieces of it. */
  constructor(rung: number, sequence: number, frames: readonly Frame[], bytes: Uint8Array) {
    const { kind, epoch } = frames[0]!;
    this.#rung = rung;
    this.#sequence = sequence;
    this.#kind = kind;
    this.#epoch = epoch;
    this.#bytes = bytes;
    const fields: number[] = [];
    const tags = new Map<number, NonNullable<Frame["tags"]>>();
    let at = bytes.length - frames.reduce((sum, { data }) => sum + data.length, 0);
    for (const [place, frame] of frames.entries()) {
      const { dts, pts, duration, key, configVersion, arrivalMs, data } = frame;
      fields.push(dts, pts, duration, key ? 1 : 0, configVersion, arrivalMs, at);
      if (frame.tags !== undefined) tags.set(place, frame.tags);
      // Whoever else holds the frame lets go of the bytes that it came with.
      const held: { data: Uint8Array } = frame;
      held.data = bytes.subarray(at, at + data.length);
      at += data.length;
    }
    this.#fields = fields;
    this.#tags = tags;
  }

  /** The frame at that place in its part. */
  messageAt(place: number): FrameMessage {
    const first = place * FIELDS;
    const [dts, pts, duration, key, configVersion, arrivalMs, at] = this.#fields.slice(first, first + FIELDS);
    const tags = this.#tags.get(place);
    const end = this.#fields[first + FIELDS + FIELDS - 1] ?? this.#bytes.length;
    const frame: Frame = {
      kind: this.#kind,
      epoch: this.#epoch,
      dts: dts!,
      pts: pts!,
      duration: duration!,
      key: key === 1,
      configVersion: configVersion!,
      arrivalMs: arrivalMs!,
      data: this.#bytes.subarray(at, end),
      ...(tags !== undefined && { tags }),
    };
    return { type: "frame", rung: this.#rung, sequence: this.#sequence, frame };
  }
}
