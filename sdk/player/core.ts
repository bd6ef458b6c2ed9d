import Hls, {
  type Fragment,
  type HlsConfig,
  type Loader,
  type LoaderCallbacks,
  type LoaderConfiguration,
  type PlaylistLoaderContext,
} from "hls.js";
import { enterPlaylist } from "./enter-playlist.ts";
import { familiesOf, keepFamily } from "./master.ts";

/** Where a stream plays: the answer of `/v1/play/{slug}`. */
export interface PlaySource {
  readonly primary: { readonly hls: string };
  readonly fallback: { readonly hls: string } | null;
}

export type PlayerState = "loading" | "waiting" | "playing" | "ended" | "failed";

export interface PlayerStatus {
  readonly state: PlayerState;
  /** Families that the stream offers, in the master's order. */
  readonly families: readonly string[];
  readonly family: string | undefined;
  /** The edge that plays now: 0 is the primary. */
  readonly edge: number;
  readonly switches: number;
  readonly height: number | undefined;
}

export interface PlayerOptions {
  /**
   * Asked at the start and whenever both edges failed: the balancer may have placed others by then. Undefined: the stream
   * is over, and nobody serves it any more. Whatever it throws, it is asked again.
   */
  readonly findSource: () => Promise<PlaySource | undefined>;
  readonly onStatus?: (status: PlayerStatus) => void;
}

/** Errors of one edge in a row before the player moves to the other: one may be chance. */
const errorsBeforeSwitch = 2;
/** Where playlists have no parts. */
const plainSegmentsBehind = 2;
/** A server holds a playlist back until its next segment is there, for six seconds at most. */
const heldBackMs = 8_000;
/**
 * How often it is looked whether a stream that is over was shown to its end, how many looks in a row decide so, and how
 * often the library is told.
 */
const endLookMs = 250;
const endLooks = 4;
const endsTold = 3;
/** Of so little that is loaded an element may show nothing before it knows that no more comes. */
const shownS = 0.5;
const WAITING_RETRY = "FRAG_LOADING_WAITING_RETRY";
/**
 * In these states the library has no picture on its way, and in these some sound. What a playlist names a gap it tries
 * again for ever. Sound that lies behind all pictures it keeps back, taken apart, until it knows that those have ended.
 */
const restStates: ReadonlySet<string> = new Set(["IDLE", "ENDED"]);
const busyStates: ReadonlySet<string> = new Set(["KEY_LOADING", "FRAG_LOADING", WAITING_RETRY, "PARSING"]);
/** Pause before asking for edges again when none answers. */
const retryMs = 1_000;

/**
 * Plays a stream in a video element from its primary edge, keeps the position when it moves to the fallback, and
 * switches between codec families. Never throws after construction: failures are states.
 */
export class StreamPlayer {
  readonly #video: HTMLVideoElement;
  readonly #options: PlayerOptions;
  #hls: Hls | undefined;
  #edges: string[] = [];
  #edge = 0;
  #switches = 0;
  #errors = 0;
  #families: readonly string[] = [];
  #family: string | undefined;
  #state: PlayerState = "loading";
  #retry: ReturnType<typeof setTimeout> | undefined;
  #endWatch: ReturnType<typeof setInterval> | undefined;
  /** Where the picture stood at the last look, and for how many looks nothing more was to come. */
  #look = { atS: Number.NaN, count: 0 };
  /** The stream is over and served nowhere: what is loaded is all that there will be. */
  #isGone = false;
  #closed = false;

  constructor(video: HTMLVideoElement, options: PlayerOptions) {
    this.#video = video;
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#closed || this.#endWatch !== undefined) return;
    this.#video.addEventListener("playing", this.#onPlaying);
    this.#video.addEventListener("ended", this.#onEnded);
    this.#endWatch = setInterval(() => this.#lookForEnd(), endLookMs);
    await this.#find();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#endWatch);
    this.#hls?.destroy();
    this.#video.removeEventListener("playing", this.#onPlaying);
    this.#video.removeEventListener("ended", this.#onEnded);
  }

  /** Plays another family from where the viewer is. */
  setFamily(family: string): void {
    if (family === this.#family || !this.#families.includes(family)) return;
    this.#family = family;
    this.#load();
  }

  readonly #onPlaying = () => {
    this.#errors = 0;
    this.#report("playing");
  };

  readonly #onEnded = () => this.#report("ended");

  async #find(): Promise<void> {
    try {
      const source = await this.#options.findSource();
      if (this.#closed) return;
      this.#isGone = source === undefined;
      if (source === undefined) {
        if (this.#hls === undefined || this.#video.buffered.length === 0) this.#report("ended");
        return;
      }
      this.#edges = [source.primary.hls, ...(source.fallback === null ? [] : [source.fallback.hls])];
      this.#edge = 0;
      this.#errors = 0;
      this.#load();
    } catch {
      this.#report("waiting");
      this.#later(() => this.#find());
    }
  }

  #load(): void {
    const url = this.#edges[this.#edge];
    if (url === undefined || this.#closed) return;
    this.#isGone = false;
    const resumeAt = this.#hls?.playingDate ?? undefined;
    this.#hls?.destroy();
    const hls = new Hls(this.#config(resumeAt));
    // Not of what the player is made with: that would stand above what a low-latency playlist says.
    hls.config.liveSyncDurationCount = plainSegmentsBehind;
    this.#hls = hls;
    hls.on(Hls.Events.ERROR, (_event, data) => {
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && data.fatal) hls.recoverMediaError();
      else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) this.#onNetworkError(data.fatal);
    });
    hls.on(Hls.Events.FRAG_LOADED, (_event, { frag }) => {
      // Of an edge that has lost its pictures the sound may still come.
      if ((frag.type as string) !== "main") return;
      this.#errors = 0;
      this.#isGone = false;
    });
    hls.on(Hls.Events.LEVEL_SWITCHED, () => this.#report(this.#state));
    hls.attachMedia(this.#video);
    hls.loadSource(url);
    void this.#video.play().catch(() => undefined);
    this.#report(this.#state === "playing" ? "playing" : "loading");
  }

  /**
   * The library takes a stream for over when the middle of its last part is loaded, which it places by wall clocks: where
   * those shake, or sound and picture do not end together, that may be behind all that was ever made.
   */
  #lookForEnd(): void {
    const hls = this.#hls;
    const { currentTime, paused, buffered } = this.#video;
    const hasMedia = buffered.length > 0;
    const stands = !paused && currentTime === this.#look.atS;
    const isShown = hasMedia && buffered.end(buffered.length - 1) - currentTime < shownS;
    const mayLoad = this.#retry !== undefined;
    const isOver = hls !== undefined && stands && isShown && !mayLoad && (this.#isGone || isLoaded(hls));
    this.#look = { atS: currentTime, count: isOver ? this.#look.count + 1 : 0 };
    if (!isOver || this.#state === "ended") return;
    // With that the element shows what is left of sound or picture, and mostly says itself that it has. Where something
    // was kept back, the library forgets that it was told.
    if (this.#look.count === endsTold * endLooks) this.#report("ended");
    else if (this.#look.count % endLooks === 0) hls.trigger(Hls.Events.BUFFER_EOS, { type: null });
  }

  #onNetworkError(fatal: boolean): void {
    this.#errors += 1;
    if (!fatal && this.#errors < errorsBeforeSwitch) return;
    this.#errors = 0;
    if (this.#edge + 1 < this.#edges.length) {
      this.#edge += 1;
      this.#switches += 1;
      this.#load();
      return;
    }
    this.#switches += 1;
    this.#later(() => this.#find());
  }

  #later(action: () => Promise<void>): void {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    const retry = setTimeout(() => {
      void action().finally(() => {
        if (this.#retry === retry) this.#retry = undefined;
      });
    }, retryMs);
    this.#retry = retry;
  }

  #config(resumeAt: Date | undefined): Partial<HlsConfig> {
    const player = this;
    const DefaultLoader = Hls.DefaultConfig.loader as unknown as new (
      config: HlsConfig,
    ) => Loader<PlaylistLoaderContext>;
    const enter = (playlist: string, isFirst: boolean) =>
      isFirst ? enterPlaylist(playlist, resumeAt?.getTime()) : playlist;
    class PlaylistLoader extends DefaultLoader {
      override load(
        context: PlaylistLoaderContext,
        config: LoaderConfiguration,
        callbacks: LoaderCallbacks<PlaylistLoaderContext>,
      ): void {
        const onSuccess: LoaderCallbacks<PlaylistLoaderContext>["onSuccess"] = (response, stats, loaded, details) => {
          const text = String(response.data ?? "");
          const data =
            context.type === "manifest" ? player.#chooseFamily(text) : enter(text, context.deliveryDirectives === null);
          callbacks.onSuccess({ ...response, data }, stats, loaded, details);
        };
        super.load(context, config, { ...callbacks, onSuccess });
      }
    }
    const quick = { maxTimeToFirstByteMs: 2_000, maxLoadTimeMs: 8_000 };
    const retries = { maxNumRetry: 1, retryDelayMs: 200, maxRetryDelayMs: 400 };
    const policy = { default: { ...quick, timeoutRetry: retries, errorRetry: retries } };
    const patient = { default: { ...policy.default, maxTimeToFirstByteMs: heldBackMs, maxLoadTimeMs: 2 * heldBackMs } };
    return {
      pLoader: PlaylistLoader,
      // After a stall the picture comes back to where it was behind the live edge, a little faster than it was made.
      maxLiveSyncPlaybackRate: 1.1,
      // Two parts more for each stall, where the library would take a second.
      liveSyncOnStallIncrease: 0.5,
      fragLoadPolicy: policy,
      playlistLoadPolicy: patient,
      manifestLoadPolicy: policy,
    };
  }

  #chooseFamily(master: string): string {
    this.#families = familiesOf(master);
    if (this.#family === undefined || !this.#families.includes(this.#family)) this.#family = this.#families[0];
    return this.#family === undefined ? master : keepFamily(master, this.#family);
  }

  #report(state: PlayerState): void {
    this.#state = state;
    const level = this.#hls?.levels?.[this.#hls.currentLevel];
    this.#options.onStatus?.({
      state,
      families: this.#families,
      family: this.#family,
      edge: this.#edge,
      switches: this.#switches,
      height: level?.height,
    });
  }
}

/** Nothing more comes of the stream: it is over, and all of it that can be loaded is. */
function isLoaded(hls: Hls): boolean {
  const { latestLevelDetails, audioTracks, audioTrack, inFlightFragments, bufferingEnabled } = hls;
  const { main, audio } = inFlightFragments;
  const sound = audioTracks[audioTrack];
  const isOver = latestLevelDetails?.live === false && (sound === undefined || sound.details?.live === false);
  const hasAllPictures = restStates.has(main.state) || isLastGap(main, latestLevelDetails?.endSN);
  const hasAllSound = audio === undefined || !busyStates.has(audio.state) || isLastGap(audio, sound?.details?.endSN);
  return isOver && bufferingEnabled && hasAllPictures && hasAllSound;
}

function isLastGap(
  { state, frag }: { readonly state: string; readonly frag: Fragment | null },
  endSN?: number,
): boolean {
  return state === WAITING_RETRY && frag?.gap === true && frag.sn === endSN;
}
