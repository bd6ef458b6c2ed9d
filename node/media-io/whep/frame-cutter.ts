import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { createPacketizer, type Packetize, packetizeSound } from "./packetizers.ts";

/** Cuts each frame into packets once, however many viewers get it. */
export class FrameCutter {
  readonly #packetizers = new WeakMap<VideoConfig, Packetize>();
  readonly #cut = new WeakMap<Frame, readonly Uint8Array[]>();

  cutPicture(config: VideoConfig, frame: Frame): readonly Uint8Array[] {
    const known = this.#cut.get(frame);
    if (known !== undefined) return known;
    const packetize = this.#packetizers.get(config) ?? createPacketizer(config);
    if (packetize === undefined) return [];
    this.#packetizers.set(config, packetize);
    const packets = packetize(frame);
    this.#cut.set(frame, packets);
    return packets;
  }

  cutSound(frame: Frame): Uint8Array {
    const known = this.#cut.get(frame)?.[0];
    if (known !== undefined) return known;
    const packet = packetizeSound(frame.data);
    this.#cut.set(frame, [packet]);
    return packet;
  }
}
