import { type Static, Type } from "typebox";

/** What a person sets about segments that publishers push by HTTP. */
export const pushOptions = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether this node takes segments by HTTP push" }),
    maxStreams: Type.Integer({ default: 200, minimum: 1, maximum: 10_000, description: "Pushed streams at once" }),
    maxSegmentBytes: Type.Integer({
      default: 33_554_432,
      minimum: 65_536,
      maximum: 268_435_456,
      description: "Largest segment, bytes",
    }),
    maxSegmentMs: Type.Integer({
      default: 20_000,
      minimum: 1_000,
      maximum: 60_000,
      description: "Longest segment, milliseconds",
    }),
    maxHeldBytes: Type.Integer({
      default: 268_435_456,
      minimum: 1_048_576,
      description: "Segments of all streams that come in or wait for their turn, and answers that are not read, bytes",
    }),
    uploadMs: Type.Integer({
      default: 20_000,
      minimum: 100,
      maximum: 25_000,
      description: "How long a segment may take to come, and its answer to be read, milliseconds",
    }),
    reorderMs: Type.Integer({
      default: 500,
      minimum: 0,
      maximum: 10_000,
      description: "How long a segment waits for one of a smaller number that did not begin to come, milliseconds",
    }),
    answerMs: Type.Integer({
      default: 8_000,
      minimum: 100,
      maximum: 60_000,
      description: "How long an answer waits for the renditions of its segment, milliseconds",
    }),
    idleMs: Type.Integer({
      default: 30_000,
      minimum: 1_000,
      maximum: 600_000,
      description: "Without a segment for this long a publisher is taken for lost, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type PushOptions = Static<typeof pushOptions>;
