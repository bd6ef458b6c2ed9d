import { type Static, Type } from "typebox";
import { NETWORK_PATTERN } from "../../kernel/net/address-policy.ts";

/** What a person sets about sources that this node fetches for buyers. */
export const pullOptions = Type.Object(
  {
    enabled: Type.Boolean({ default: true, description: "Whether this node fetches streams from addresses of buyers" }),
    allow: Type.Array(Type.String({ pattern: NETWORK_PATTERN }), {
      default: [],
      maxItems: 64,
      description:
        "Networks beside the open internet that buyers' addresses may lead into, for example 192.168.7.0/24 of cameras; every buyer of the cluster can reach them then",
    }),
    maxPulls: Type.Integer({ default: 50, minimum: 0, maximum: 10_000, description: "Sources fetched at once" }),
    timeoutMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 120_000,
      description: "How long a look-up, a connection and the first answer of a source may take together, milliseconds",
    }),
    idleMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 120_000,
      description: "A source that sends nothing for so long is lost, milliseconds",
    }),
    fetchMs: Type.Integer({
      default: 30_000,
      minimum: 100,
      maximum: 600_000,
      description: "How long a whole playlist or segment of a source by HLS may take to come, milliseconds",
    }),
    maxRedirects: Type.Integer({
      default: 3,
      minimum: 0,
      maximum: 20,
      description: "How often one request may be sent on to another address",
    }),
    maxBytesPerSecond: Type.Integer({
      default: 12_500_000,
      minimum: 10_000,
      maximum: 1_000_000_000,
      description: "Bytes a second that are read of one source; one that is faster is slowed down",
    }),
    maxPlaylistBytes: Type.Integer({
      default: 1_048_576,
      minimum: 1_024,
      maximum: 16_777_216,
      description: "Largest playlist of a source by HLS, bytes",
    }),
    maxSegmentBytes: Type.Integer({
      default: 16_777_216,
      minimum: 65_536,
      maximum: 268_435_456,
      description:
        "Largest segment of a source by HLS, bytes; two of each playlist are held, and a source whose sound has a playlist of its own has two of them",
    }),
    retryMinMs: Type.Integer({
      default: 1_000,
      minimum: 10,
      maximum: 600_000,
      description: "First pause before a source that was lost is tried again, milliseconds; it doubles",
    }),
    retryMaxMs: Type.Integer({
      default: 30_000,
      minimum: 10,
      maximum: 3_600_000,
      description: "Longest pause before a source that was lost is tried again, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type PullOptions = Static<typeof pullOptions>;
