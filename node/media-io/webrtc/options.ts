import { type Static, Type } from "typebox";

/** What a person sets about WebRTC. Publishers and viewers share one UDP port. */
export const webrtcOptions = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether this node takes WHIP and plays WHEP" }),
    host: Type.String({ default: "127.0.0.1", minLength: 1, description: "Address of the one UDP port of WebRTC" }),
    port: Type.Integer({ default: 8189, minimum: 0, maximum: 65_535, description: "UDP port; 0 takes any free one" }),
    publicAddresses: Type.Array(Type.String({ pattern: "^[0-9a-fA-F.:]{2,45}$" }), {
      default: [],
      maxItems: 4,
      description: "IP addresses at which clients reach that port; empty: those that it listens on",
    }),
    stunUrls: Type.Array(Type.String({ pattern: "^stuns?:[!-~]{1,256}$" }), {
      default: [],
      maxItems: 8,
      description: "STUN servers that clients are told of",
    }),
    turnUrls: Type.Array(Type.String({ pattern: "^turns?:[!-~]{1,256}$" }), {
      default: [],
      maxItems: 8,
      description: "TURN servers that clients are told of, with credentials made for each session",
    }),
    turnSecretFile: Type.String({
      default: "",
      description: "File of the secret that the TURN servers share with this node (use-auth-secret)",
    }),
    turnSeconds: Type.Integer({
      default: 86_400,
      minimum: 60,
      maximum: 604_800,
      description: "How long a session's TURN credentials stand, seconds",
    }),
    maxPublishers: Type.Integer({ default: 100, minimum: 1, maximum: 10_000, description: "WHIP sessions at once" }),
    maxViewers: Type.Integer({ default: 500, minimum: 1, maximum: 100_000, description: "WHEP sessions at once" }),
    connectTimeoutMs: Type.Integer({
      default: 15_000,
      minimum: 1_000,
      maximum: 120_000,
      description: "From an answer to a connection, milliseconds",
    }),
    idleMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 120_000,
      description: "A publisher that sends nothing for so long is lost, milliseconds",
    }),
    recheckMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description: "How often it is asked again whether a WHEP viewer may watch, milliseconds",
    }),
    keyFrameMs: Type.Integer({
      default: 2_000,
      minimum: 500,
      maximum: 60_000,
      description: "How often a publisher is asked for a key frame, milliseconds",
    }),
    maxBitrate: Type.Integer({
      default: 20_000_000,
      minimum: 100_000,
      maximum: 200_000_000,
      description: "Most that a publisher is told it may send, bits per second",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type WebrtcOptions = Static<typeof webrtcOptions>;
