import assert from "node:assert/strict";
import { AudioGroups } from "@leat/node/services/ingest/audio-groups.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { type AudioConfig, type Boundary, type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AAC_RUNG, OPUS_RUNG, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { AudioInput } from "@leat/transcoder/engine.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import type { AudioEncode, AudioEncodeEvents } from "@leat/transcoder/supervisor.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { plainSound } from "../../../support/plain-config.ts";

const AAC_SAMPLES = 1_024;
const RATE = 48_000;

const slower: AudioConfig = {
  ...plainSound,
  timescale: 44_100,
  sampleRate: 44_100,
  description: Uint8Array.of(0x12, 0x10),
};

const sounds: readonly RenditionInfo[] = [
  { rung: AAC_RUNG, name: "audio-aac", kind: "audio", codec: "aac", bitrate: 128_000 },
  { rung: OPUS_RUNG, name: "audio-opus", kind: "audio", codec: "opus", bitrate: 128_000 },
];
const pictures = (family: "h264" | "vp9"): RenditionInfo => ({
  rung: 1,
  name: "360p",
  kind: "video",
  codec: family,
  family,
  width: 640,
  height: 360,
  bitrate: 1,
});

/** An encoder that is told of, and gives what the test has it give. */
interface Started {
  readonly codecs: readonly string[];
  readonly inputs: AudioInput[];
  readonly events: AudioEncodeEvents;
  isKilled: boolean;
  /** What it has not worked off. */
  queued: number;
}

describe("ingest/audio groups", () => {
  let clock: ManualClock;
  let started: Started[];
  let published: { rung: number; data: Uint8Array; pts: number }[];
  let configs: AudioConfig[];
  let groups: AudioGroups;
  let next: number;
  /** Encoders do not start. */
  let isStuck: boolean;

  beforeEach(() => {
    clock = new ManualClock();
    started = [];
    published = [];
    configs = [];
    next = 0;
    isStuck = false;
    groups = new AudioGroups({
      startAudio: (spec, events): AudioEncode => {
        const one: Started = {
          codecs: spec.groups.map(({ codec }) => codec),
          inputs: [],
          events,
          isKilled: false,
          queued: 0,
        };
        started.push(one);
        return {
          pid: undefined,
          push: async (input) => {
            one.inputs.push(input);
            if (isStuck) one.queued += 1;
          },
          end: async () => {},
          kill: () => {
            one.isKilled = true;
          },
          cpuMs: () => 0,
          queued: () => one.queued,
        };
      },
      log: {
        open: ({ config }) => void configs.push(config as AudioConfig),
        push: (rung, { data, pts }) => {
          published.push({ rung, data, pts });
          return undefined;
        },
        end: () => undefined,
      },
      clock,
      logger: silentLogger,
      onSegment: () => {},
    });
  });

  function begin(family: "h264" | "vp9", source: AudioConfig = plainSound): void {
    groups.setSource(0, source);
    groups.setRenditions([pictures(family), ...sounds]);
    const boundary: Boundary = { sequence: 0, epoch: 0, pts: 0, forced: false, discontinuity: false, firstFrame: 0 };
    groups.boundary(boundary, 0);
  }

  /** The source's next packet, and a picture beyond it. */
  function hear(data: Uint8Array = Uint8Array.of(0x21, next)): Frame {
    const dts = next * AAC_SAMPLES;
    next += 1;
    const times = { dts, pts: dts, duration: AAC_SAMPLES };
    const frame: Frame = { kind: "audio", epoch: 0, ...times, key: true, configVersion: 0, arrivalMs: 0, data };
    groups.addSource(frame);
    groups.advance(0, Math.ceil(((dts + AAC_SAMPLES) * VIDEO_TIMESCALE) / RATE));
    return frame;
  }

  it("passes AAC on without any encoder while nobody wishes for Opus", () => {
    begin("h264");
    const heard = [hear(), hear(), hear()];
    assert.deepEqual(started, []);
    assert.deepEqual(
      published,
      heard.map(({ data, pts }) => ({ rung: AAC_RUNG, data, pts })),
    );
    assert.deepEqual(
      configs.map(({ description }) => description),
      [plainSound.description],
    );
  });

  it("waits for no encoder that there is not, with what came before it was known what is wanted", () => {
    groups.setSource(0, plainSound);
    groups.boundary({ sequence: 0, epoch: 0, pts: 0, forced: false, discontinuity: false, firstFrame: 0 }, 0);
    hear();
    hear();
    assert.deepEqual(published, []);
    groups.setRenditions([pictures("h264"), ...sounds]);
    assert.equal(published.length, 2);
  });

  it("encodes Opus alone while somebody wishes for it, and a while longer", async () => {
    begin("h264");
    hear();
    groups.wish(new Set([OPUS_RUNG]));
    hear();
    assert.deepEqual(
      started.map(({ codecs }) => codecs),
      [["opus"]],
    );
    const [encoder] = started;
    encoder!.events.config(0, 1, { ...plainSound, codec: "opus", codecString: "opus" });
    encoder!.events.frame(0, { ...hear(), data: Uint8Array.of(7) });
    assert.ok(published.some(({ rung, data }) => rung === OPUS_RUNG && data[0] === 7));
    groups.wish(new Set());
    hear();
    assert.equal(encoder!.isKilled, false);
    await clock.advance(30_001);
    hear();
    assert.equal(encoder!.isKilled, true);
    assert.equal(encoder!.inputs.length, 3);
    assert.equal(published.filter(({ rung }) => rung === AAC_RUNG).length, 5);
  });

  it("passes AAC on while Opus waits for an encoder that does not start, and for one that is started again", async () => {
    isStuck = true;
    begin("h264");
    groups.wish(new Set([OPUS_RUNG]));
    const heard = [hear(), hear()];
    const lost = { code: "TRANSCODE_WORKER_LOST", exitCode: null, signal: "SIGKILL", lastWords: "" } as const;
    started[0]!.events.exit(new TranscodeError(lost));
    await clock.advance(1_001);
    heard.push(hear(), hear());
    assert.equal(started.length, 2);
    assert.deepEqual(
      published,
      heard.map(({ data, pts }) => ({ rung: AAC_RUNG, data, pts })),
    );
  });

  it("cuts Opus by what the picture did before, when its encoder is up at last", () => {
    isStuck = true;
    begin("h264");
    groups.wish(new Set([OPUS_RUNG]));
    const first = hear();
    const pts = ((first.pts + first.duration) * VIDEO_TIMESCALE) / RATE;
    groups.boundary({ sequence: 1, epoch: 0, pts, forced: false, discontinuity: false, firstFrame: 0 }, 0);
    // Sound this much behind what its cutter knows of the picture would be given up.
    while (next < 150) hear();
    const [encoder] = started;
    encoder!.events.config(0, 1, { ...plainSound, codec: "opus", codecString: "opus" });
    encoder!.queued = 0;
    encoder!.events.frame(0, { ...first, data: Uint8Array.of(7) });
    assert.deepEqual(
      published.filter(({ rung }) => rung === OPUS_RUNG).map(({ data }) => data[0]),
      [7],
    );
  });

  it("encodes what manifests name whether anybody wishes for it or not", () => {
    begin("vp9");
    hear();
    assert.deepEqual(
      started.map(({ codecs }) => codecs),
      [["opus"]],
    );
  });

  it("encodes AAC of another rate, and Opus in a worker of its own when it is wished for", () => {
    begin("h264", slower);
    hear();
    groups.wish(new Set([OPUS_RUNG]));
    hear();
    assert.deepEqual(
      started.map(({ codecs, inputs }) => [codecs, inputs.length]),
      [
        [["aac"], 2],
        [["opus"], 1],
      ],
    );
    assert.deepEqual(published, []);
  });

  it("encodes what came as it was once its source is another, for the decoder that is set up", () => {
    begin("h264");
    hear();
    groups.setSource(1, slower);
    hear();
    assert.deepEqual(
      started.map(({ codecs }) => codecs),
      [["aac"]],
    );
    const made = { ...hear(), data: Uint8Array.of(9) };
    started[0]!.events.config(0, 1, { ...plainSound, description: Uint8Array.of(0x11, 0x90, 0x56, 0xe5, 0) });
    // The encoder warms up with what was passed on before.
    started[0]!.events.frame(0, { ...made, dts: 0, pts: 0 });
    started[0]!.events.frame(0, made);
    assert.deepEqual(
      published.map(({ data, pts }) => [data[0], pts]),
      [
        [0x21, 0],
        [9, 2 * AAC_SAMPLES],
      ],
    );
    assert.equal(configs.length, 1);
  });

  it("leaves out what can be no sound, and is silent there", () => {
    begin("h264");
    hear();
    hear(Uint8Array.of(0xff, 0xff));
    hear(new Uint8Array(0));
    hear();
    const silence = [0x21, 0, 0, 0, 0, 0x1c];
    assert.deepEqual(
      published.map(({ data }) => [...data]),
      [[0x21, 0], silence, silence, [0x21, 3]],
    );
  });
});
