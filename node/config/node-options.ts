import { type Static, Type } from "typebox";
import { certificateOptions } from "../kernel/certificate-options.ts";

const roleSchema = Type.Union([
  Type.Literal("balancer"),
  Type.Literal("ingest"),
  Type.Literal("transcode"),
  Type.Literal("delivery"),
  Type.Literal("buyer"),
  Type.Literal("watchtower"),
]);
export type Role = Static<typeof roleSchema>;

export const nodeOptions = Type.Object(
  {
    roles: Type.Array(roleSchema, {
      default: [],
      maxItems: 6,
      description: "What this node does: balancer, ingest, transcode, delivery, buyer, watchtower",
    }),
    dataDir: Type.String({ default: ".leat/node", minLength: 1, description: "Folder of everything that must last" }),
    keyFile: Type.String({
      default: ".leat/node/node.key",
      minLength: 1,
      description: "File of the node's key: its identity, its address and what it signs with",
    }),
    networkFile: Type.String({
      default: "",
      description: "File of the network, as the deployment wrote it, or the name of one that comes with the program",
    }),
    region: Type.String({
      default: "local",
      pattern: "^[a-z0-9][a-z0-9-]{0,31}$",
      description: "Where the node stands, in the cluster's own words",
    }),
    httpUrl: Type.String({
      default: "",
      pattern: "^(https?://[!-~]+)?$",
      description:
        "Where others reach this node's HTTP server; empty: the address that it listens on, over TLS where it can",
    }),
    rtmpUrl: Type.String({
      default: "",
      pattern: "^(rtmps?://[!-~]+)?$",
      description: "Where publishers reach this node; empty: the address that it listens on",
    }),
    srtUrl: Type.String({
      default: "",
      pattern: "^(srt://[!-~]+:[0-9]{1,5})?$",
      description: "Where publishers by SRT reach this node; empty: the address that it listens on",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type NodeOptions = Static<typeof nodeOptions>;

const amount = Type.Optional(
  Type.String({
    pattern: "^[0-9]{1,9}(\\.[0-9]{1,30})?$",
    description: 'whole tokens for one unit, as text: "0.000001"',
  }),
);
const token = Type.String({
  pattern: "^(LPT|USDC|0x[0-9a-fA-F]{40})$",
  description: "LPT, USDC or the address of a token",
});

/** A price list as a person writes it: whole tokens for one unit of work, as decimal text. */
export const priceListSchema = Type.Object(
  {
    token,
    ingestMs: amount,
    pixelH264: amount,
    pixelHevc: amount,
    pixelVp9: amount,
    pixelAv1: amount,
    storedByteSecond: amount,
    deliveredByte: amount,
  },
  { additionalProperties: false },
);
export type PriceList = Static<typeof priceListSchema>;

export const salesOptions = Type.Object(
  {
    cluster: Type.Integer({ default: 1, minimum: 1, description: "Cluster that this node sells through" }),
    prices: Type.Array(priceListSchema, {
      default: [],
      maxItems: 8,
      description: "Price lists, one a token: whole tokens for a millisecond, a pixel, a byte-second or a byte",
    }),
    offerValidMs: Type.Integer({
      default: 3_600_000,
      minimum: 60_000,
      description: "How long a signed offer stands, milliseconds; it is renewed at half of that",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type SalesOptions = Static<typeof salesOptions>;

export const purchaseOptions = Type.Object(
  {
    account: Type.String({
      default: "",
      pattern: "^(0x[0-9a-fA-F]{40})?$",
      description: "Account that pays, where it allotted this node's key its channel; empty: the key's own account",
    }),
    clusterUrl: Type.String({
      default: "",
      pattern: "^(https?://[!-~]+)?$",
      description: "Where the cluster that streams are bought from answers",
    }),
    cluster: Type.Integer({
      default: 1,
      minimum: 1,
      description: "Which cluster that is: every call to it is signed for this one alone",
    }),
    ceilings: Type.Array(priceListSchema, {
      default: [],
      maxItems: 8,
      description: "Most that the buyer's agent pays for a unit, one list a token; a unit that is not named has none",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type PurchaseOptions = Static<typeof purchaseOptions>;

export const rtmpOptions = Type.Object(
  {
    host: Type.String({ default: "127.0.0.1", minLength: 1, description: "Address that publishers connect to" }),
    port: Type.Integer({ default: 1935, minimum: 0, maximum: 65_535, description: "Port; 0 takes any free one" }),
    maxConnections: Type.Integer({
      default: 200,
      minimum: 1,
      maximum: 10_000,
      description:
        "Publishers connected at once; one address gets a fourth of the places for those who have not published yet",
    }),
    tls: Type.Object(
      {
        port: Type.Integer({
          default: 1936,
          minimum: 0,
          maximum: 65_535,
          description: "Port of RTMPS, which is served once both files are named; 0 takes any free one",
        }),
        ...certificateOptions,
      },
      { default: {}, additionalProperties: false },
    ),
  },
  { default: {}, additionalProperties: false },
);
export type RtmpOptions = Static<typeof rtmpOptions>;
