import { type Static, Type } from "typebox";

export const balancerOptions = Type.Object(
  {
    marginBps: Type.Integer({
      default: 1_000,
      minimum: 0,
      maximum: 100_000,
      description: "Retail price above wholesale of the streams that are made from now on, hundredths of a per cent",
    }),
    leaseRenewMs: Type.Integer({
      default: 1_000,
      minimum: 100,
      maximum: 60_000,
      description: "Pause between renewals of a publish lease, milliseconds",
    }),
    leaseHoldMs: Type.Integer({
      default: 3_000,
      minimum: 500,
      maximum: 60_000,
      description: "A publish lease stands while its newest frame is younger, milliseconds",
    }),
    publishTicketMs: Type.Integer({
      default: 30_000,
      minimum: 1_000,
      maximum: 300_000,
      description: "How long a publisher that is sent to a node may take to come there, milliseconds",
    }),
    reconnectGraceMs: Type.Integer({
      default: 30_000,
      minimum: 0,
      maximum: 3_600_000,
      description: "How long a stream waits for a publisher whose connection was lost, milliseconds",
    }),
    sessionGraceMs: Type.Integer({
      default: 3_000,
      minimum: 0,
      maximum: 60_000,
      description: "How long a node may be out of session before its jobs are placed anew, milliseconds",
    }),
    startGraceMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      maximum: 600_000,
      description: "The same after a start of the balancer, when every node must find it again, milliseconds",
    }),
    checkWaitMs: Type.Integer({
      default: 3_600_000,
      minimum: 1_000,
      maximum: 86_400_000,
      description:
        "How long work of an attempt that is over waits for the results of an origin that is away, before it is written off, milliseconds",
    }),
    placeRetryMs: Type.Integer({
      default: 1_000,
      minimum: 50,
      maximum: 60_000,
      description:
        "First pause before a job that nobody could take is offered again, milliseconds; it doubles up to 30 s (5 s for an edge), and ends early when a node is there that was not or gets room, the chain says that a buyer who had too little reserved more, or a viewer asks",
    }),
    voucherEveryMs: Type.Integer({
      default: 10_000,
      minimum: 1_000,
      maximum: 30_000,
      description: "Pause between requests for a buyer's voucher, milliseconds",
    }),
    creditWaitMs: Type.Integer({
      default: 10_000,
      minimum: 0,
      maximum: 60_000,
      description:
        "How long a stream at its credit limit waits for the voucher of a buyer that is in session, before it is ended, milliseconds",
    }),
    samplingRate: Type.Number({
      default: 1,
      minimum: 0.01,
      maximum: 1,
      description: "Share of segments that are checked before pay: 1 holds back one segment, 0.05 holds back 20",
    }),
    segmentMs: Type.Integer({
      default: 4_000,
      minimum: 1_000,
      maximum: 60_000,
      description: "Longest segment that a credit limit must cover, milliseconds",
    }),
    deliveryViewers: Type.Integer({
      default: 8,
      minimum: 1,
      maximum: 100_000,
      description: "Viewers of all renditions for which an edge's capacity is reserved",
    }),
    edgesPerStream: Type.Integer({
      default: 16,
      minimum: 2,
      maximum: 32,
      description:
        "Edges of one stream at most: one more comes where viewers take 0.70 of what those that there are can do",
    }),
    edgeCalmMs: Type.Integer({
      default: 60_000,
      minimum: 1_000,
      maximum: 3_600_000,
      description:
        "How long a stream must do with an edge less, at 0.40 of what the others can do, before it has one less, milliseconds",
    }),
    edgeSettleMs: Type.Integer({
      default: 10_000,
      minimum: 100,
      maximum: 600_000,
      description:
        "Pause after a stream got one edge more, before it gets the next; and how long nobody may watch at one that is too many, before it ends, milliseconds",
    }),
    edgeIdleMs: Type.Integer({
      default: 300_000,
      minimum: 30_000,
      maximum: 86_400_000,
      description: "How long after its last viewer a stream keeps its edges, milliseconds",
    }),
    edgeFanOut: Type.Integer({
      default: 4,
      minimum: 1,
      maximum: 100,
      description: "Edges of a stream that its origin, or another edge, feeds; the others hang below those",
    }),
    pullIdleMs: Type.Integer({
      default: 60_000,
      minimum: 30_000,
      maximum: 3_600_000,
      description: "How long after its last viewer a source is still fetched that is fetched for viewers, milliseconds",
    }),
    pullsPerBuyer: Type.Integer({
      default: 20,
      minimum: 0,
      maximum: 100_000,
      description: "Streams of one buyer at once whose source is fetched for it",
    }),
    minimumStake: Type.String({
      default: "1",
      pattern: "^[0-9]{1,12}(\\.[0-9]{1,18})?$",
      description: "Stake below which an operator gets no jobs, whole LPT",
    }),
    seedChainLength: Type.Integer({
      default: 4_096,
      minimum: 16,
      maximum: 1_000_000,
      description: "Decisions for which one seed commitment serves",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type BalancerOptions = Static<typeof balancerOptions>;
