import { type Static, Type } from "typebox";

/** What a person sets about MP4 files of streams. */
export const mp4Options = Type.Object(
  {
    maxViewers: Type.Integer({
      default: 200,
      minimum: 0,
      maximum: 100_000,
      description: "Viewers of MP4 files of streams at once; 0 offers none",
    }),
    recheckMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description: "How often it is asked again whether a viewer of such a file may watch, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type Mp4Options = Static<typeof mp4Options>;
