import { type Static, Type } from "typebox";

/** What a person sets about SRT. */
export const srtOptions = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether this node takes and plays streams by SRT" }),
    host: Type.String({
      default: "127.0.0.1",
      pattern: "^[0-9a-fA-F.:]{2,45}$",
      description: "IP address of the one UDP port of SRT",
    }),
    port: Type.Integer({ default: 8890, minimum: 0, maximum: 65_535, description: "UDP port; 0 takes any free one" }),
    maxConnections: Type.Integer({
      default: 200,
      minimum: 1,
      maximum: 2_000,
      description: "Publishers connected at once",
    }),
    maxViewers: Type.Integer({
      default: 200,
      minimum: 1,
      maximum: 10_000,
      description: "Viewers connected at once",
    }),
    recheckMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description: "How often it is asked again whether an SRT viewer may watch, milliseconds",
    }),
    latencyMs: Type.Integer({
      default: 120,
      minimum: 20,
      maximum: 8_000,
      description:
        "How long lost packets may be sent again before they are given up, milliseconds; who calls may ask for more",
    }),
    encryptedOnly: Type.Boolean({
      default: false,
      description: "Refuse publishers that name the stream key itself, in the clear and without a passphrase",
    }),
    idleMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 120_000,
      description: "A publisher that sends nothing for so long is lost, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type SrtOptions = Static<typeof srtOptions>;
