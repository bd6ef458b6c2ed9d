import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";

/**
 * What whoever follows a rung is told, in order and at once. Nobody waits for a follower: one that is slow drops what it
 * likes, on its own side.
 */
export interface FrameFollower {
  /** Holds for the frames that follow and name this version. Comes before the first of them. */
  config(version: number, config: TrackConfig): void;
  /** In decode order; `sequence` is the segment. At an edge the origin's mark of its part comes up to a part later. */
  frame(frame: Frame, sequence: number): void;
  /**
   * The newest `count` frames are void: their transcoder died before their part was whole, and another makes them anew,
   * beginning with a key frame; or an edge had them from a holder that is not believed. Times go back; whoever decodes
   * goes on with the next key frame.
   */
  takeBack(count: number): void;
  end(): void;
}

/** Frames of a stream's rungs as they pass a node: at its origin as they are encoded, at an edge as they come. */
export interface LiveFrames {
  /**
   * Begins with the frames since the newest key frame, then goes on with each as it comes, until what this gives back is
   * called. A rung that has no frame yet, or never gets one, is followed all the same.
   */
  follow(rung: number, follower: FrameFollower): () => void;
  /** Pictures of the rung's configuration refer to later ones, as one that passed has shown. */
  isReordered(rung: number): boolean;
}

interface RelayedRung {
  readonly followers: Set<FrameFollower>;
  /** Ends what is followed elsewhere for them. */
  leave: (() => void) | undefined;
  config: { readonly version: number; readonly config: TrackConfig } | undefined;
  /** Since the newest key frame. */
  group: { readonly frame: Frame; readonly sequence: number }[];
  /** The newest picture of its configuration that stands. */
  newest: Pick<Frame, "epoch" | "pts"> | undefined;
  isReordered: boolean;
}

/** Hands frames on to whoever follows them. A follower that throws is told the end, and does no other any harm. */
export class FrameRelay implements LiveFrames {
  readonly #rungs = new Map<number, RelayedRung>();
  readonly #onFault: (error: unknown) => void;
  readonly #onFollowers: () => void;
  #source: LiveFrames | undefined;
  #ended = false;

  /** `onFollowers`: a rung got its first follower, or lost its last. */
  constructor(onFault: (error: unknown) => void = () => {}, onFollowers: () => void = () => {}) {
    this.#onFault = onFault;
    this.#onFollowers = onFollowers;
  }

  /** Whether somebody follows the rung now. */
  isFollowed(rung: number): boolean {
    return (this.#rungs.get(rung)?.followers.size ?? 0) > 0;
  }

  /** Whether somebody follows any. */
  get hasFollowers(): boolean {
    return [...this.#rungs.values()].some(({ followers }) => followers.size > 0);
  }

  follow(rung: number, follower: FrameFollower): () => void {
    const { followers, config, group } = this.#rungOf(rung);
    if (config !== undefined) follower.config(config.version, config.config);
    for (const { frame, sequence } of group) follower.frame(frame, sequence);
    if (this.#ended) follower.end();
    else {
      followers.add(follower);
      if (followers.size === 1) this.#heard(rung);
    }
    return () => {
      if (followers.delete(follower) && followers.size === 0) this.#heard(rung);
    };
  }

  isReordered(rung: number): boolean {
    return this.#rungs.get(rung)?.isReordered === true || this.#source?.isReordered(rung) === true;
  }

  /**
   * Hands on what another relay of this process has, of rungs that somebody follows here, until what this gives back is
   * called. Its end is not ours.
   */
  attach(source: LiveFrames): () => void {
    this.#source = source;
    for (const rung of this.#rungs.keys()) this.#turnTo(rung);
    return () => {
      if (this.#source !== source) return;
      this.#source = undefined;
      for (const rung of this.#rungs.keys()) this.#turnTo(rung);
    };
  }

  config(rung: number, version: number, config: TrackConfig): void {
    const relayed = this.#rungOf(rung);
    if (relayed.config?.version === version && relayed.config.config === config) return;
    relayed.config = { version, config };
    relayed.group = [];
    relayed.newest = undefined;
    relayed.isReordered = false;
    this.#tell(rung, relayed, (follower) => follower.config(version, config));
  }

  frame(rung: number, sequence: number, frame: Frame): void {
    const relayed = this.#rungOf(rung);
    if (frame.key || frame.kind === "audio") relayed.group.length = 0;
    relayed.group.push({ frame, sequence });
    const { newest } = relayed;
    relayed.isReordered ||= newest?.epoch === frame.epoch && frame.pts < newest.pts;
    relayed.newest = frame;
    this.#tell(rung, relayed, (follower) => follower.frame(frame, sequence));
  }

  takeBack(rung: number, count: number): void {
    const relayed = this.#rungOf(rung);
    relayed.group.splice(Math.max(0, relayed.group.length - count));
    relayed.newest = relayed.group.at(-1)?.frame;
    this.#tell(rung, relayed, (follower) => follower.takeBack(count));
  }

  end(): void {
    this.#ended = true;
    for (const relayed of this.#rungs.values()) {
      const followers = [...relayed.followers];
      relayed.followers.clear();
      relayed.leave?.();
      relayed.leave = undefined;
      for (const follower of followers) this.#tellEnd(follower);
    }
  }

  /** The rung got its first follower, or lost its last. */
  #heard(rung: number): void {
    this.#turnTo(rung);
    this.#onFollowers();
  }

  /** Follows the rung elsewhere while somebody does here, and while there is an elsewhere. */
  #turnTo(rung: number): void {
    const relayed = this.#rungOf(rung);
    // What another relay had comes from there again, with the frames since its newest key frame.
    if (relayed.leave !== undefined || this.#source !== undefined) {
      relayed.group = [];
      relayed.newest = undefined;
    }
    relayed.leave?.();
    relayed.leave = undefined;
    if (this.#source === undefined || relayed.followers.size === 0) return;
    relayed.leave = this.#source.follow(rung, {
      config: (version, config) => this.config(rung, version, config),
      frame: (frame, sequence) => this.frame(rung, sequence, frame),
      takeBack: (count) => this.takeBack(rung, count),
      end: () => {},
    });
  }

  #tell(rung: number, { followers }: RelayedRung, what: (follower: FrameFollower) => void): void {
    if (followers.size === 0) return;
    for (const follower of [...followers]) {
      try {
        what(follower);
      } catch (error) {
        followers.delete(follower);
        if (followers.size === 0) this.#heard(rung);
        this.#onFault(error);
        this.#tellEnd(follower);
      }
    }
  }

  #tellEnd(follower: FrameFollower): void {
    try {
      follower.end();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #rungOf(rung: number): RelayedRung {
    const known = this.#rungs.get(rung);
    if (known !== undefined) return known;
    const followers = new Set<FrameFollower>();
    const made = { followers, leave: undefined, config: undefined, group: [], newest: undefined, isReordered: false };
    this.#rungs.set(rung, made);
    return made;
  }
}
