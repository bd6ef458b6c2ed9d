import { Audio, type PeerConnection as NativePeer, PeerConnection, type Track, Video } from "node-datachannel";

export const clientVideo = { payloadType: 96, ssrc: 7_001 } as const;
export const clientAudio = { payloadType: 111, ssrc: 7_002 } as const;

/** The other side of a WHIP or WHEP session, by the same native library and no code of ours. */
export class WebrtcClient {
  readonly #video: Track | undefined;
  readonly audio: Track;
  readonly #peer: NativePeer;
  readonly #open = Promise.withResolvers<void>();

  /** @param codec Of the pictures; `none`: there are none. */
  constructor(direction: "SendOnly" | "RecvOnly", codec: "h264" | "vp8" | "vp9" | "av1" | "none" = "h264") {
    this.#peer = new PeerConnection("client", {
      iceServers: [],
      bindAddress: "127.0.0.1",
      disableAutoNegotiation: true,
      forceMediaTransport: true,
    });
    const video = new Video("0", direction);
    if (codec === "h264") video.addH264Codec(clientVideo.payloadType, "packetization-mode=1;profile-level-id=42e01f");
    else if (codec === "vp8") video.addVP8Codec(clientVideo.payloadType);
    else if (codec === "vp9") video.addVP9Codec(clientVideo.payloadType);
    else if (codec === "av1") video.addAV1Codec(clientVideo.payloadType);
    const audio = new Audio(codec === "none" ? "0" : "1", direction);
    audio.addOpusCodec(clientAudio.payloadType);
    if (direction === "SendOnly") {
      video.addSSRC(clientVideo.ssrc, "client");
      audio.addSSRC(clientAudio.ssrc, "client");
    }
    this.#video = codec === "none" ? undefined : this.#peer.addTrack(video);
    this.audio = this.#peer.addTrack(audio);
    // The last one that opens: what is sent on one that is closed throws. A server may have no sound to be heard.
    const last = direction === "SendOnly" ? this.audio : (this.#video ?? this.audio);
    last.onOpen(() => this.#open.resolve());
  }

  get video(): Track {
    if (this.#video === undefined) throw new Error("this client has no pictures");
    return this.#video;
  }

  /** Resolves once packets can go both ways. */
  get open(): Promise<void> {
    return this.#open.promise;
  }

  /** The offer with its candidates; `candidates` are the same apart. */
  async offer(): Promise<{ sdp: string; bare: string; candidates: string[] }> {
    const gathered = Promise.withResolvers<void>();
    this.#peer.onGatheringStateChange((state) => {
      if (state === "complete") gathered.resolve();
    });
    this.#peer.setLocalDescription("offer");
    await gathered.promise;
    const sdp = this.#peer.localDescription()!.sdp;
    const lines = sdp.split("\r\n");
    const candidates = lines.filter((line) => line.startsWith("a=candidate"));
    const bare = lines.filter((line) => !line.startsWith("a=candidate") && line !== "a=end-of-candidates").join("\r\n");
    return { sdp, bare, candidates };
  }

  answer(sdp: string): void {
    this.#peer.setRemoteDescription(sdp, "answer");
  }

  /** Calls back with whatever comes for a track. */
  hear(track: "video" | "audio", listener: (bytes: Uint8Array) => void): void {
    this[track].onMessage((bytes) => listener(bytes));
  }

  send(track: "video" | "audio", packets: readonly Uint8Array[]): void {
    for (const packet of packets) this[track].sendMessageBinary(Buffer.from(packet));
  }

  close(): void {
    this.#peer.close();
  }
}
