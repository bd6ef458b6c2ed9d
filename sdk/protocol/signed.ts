import { defineStructure, type ValueOf } from "./eip712.ts";

/**
 * Every structure that Leat signs. Names, fields and their order are final: a change breaks every signature ever made.
 * Times are seconds since 1970. A hash of a statement is its EIP-712 digest (`hashStatement`).
 */

/** A payer's growing total towards one payee. One channel is (payer, payee, token, cluster, clusterPpm). */
export const voucherStructure = defineStructure("Voucher", {
  payer: "address",
  payee: "address",
  token: "address",
  /** The cluster that takes a share, or 0. */
  cluster: "uint256",
  /** Its share of each payment in millionths; 0 without a cluster. */
  clusterPpm: "uint32",
  /** Everything since the channel began, in the token's base units. */
  cumulative: "uint128",
  /** Rises by one with every voucher; a contract ignores it. */
  seq: "uint64",
  /** keccak256(previous usageRoot, seq, receiptsRoot): see `merkle.ts`. */
  usageRoot: "bytes32",
});
export type Voucher = ValueOf<typeof voucherStructure>;

/** A node's statement of one segment's work. */
export const receiptStructure = defineStructure("Receipt", {
  job: "bytes32",
  /** The segment's number. */
  seq: "uint64",
  attempt: "uint32",
  quoteHash: "bytes32",
  /** SHA-256 of the packaged source range; 0 for ingest. */
  inputHash: "bytes32",
  /** Merkle root of the parts: see `merkle.ts`. */
  outputRoot: "bytes32",
  firstFrame: "uint64",
  /** 0 for delivery. */
  frames: "uint32",
  durationMs: "uint32",
  sizeBytes: "uint64",
});
export type Receipt = ValueOf<typeof receiptStructure>;

/** A node's promise of prices for one specification. Signed by the node. */
export const quoteStructure = defineStructure("Quote", {
  node: "address",
  payer: "address",
  token: "address",
  specHash: "bytes32",
  pricesHash: "bytes32",
  /** The largest quantity promised, in the specification's own unit. */
  maxUnits: "uint128",
  validUntil: "uint64",
  nonce: "uint256",
});
export type Quote = ValueOf<typeof quoteStructure>;

/** A balancer's gift of one attempt of one job to one node. */
export const assignmentStructure = defineStructure("Assignment", {
  job: "bytes32",
  attempt: "uint32",
  node: "address",
  quoteHash: "bytes32",
  firstFrame: "uint64",
  validUntil: "uint64",
});
export type Assignment = ValueOf<typeof assignmentStructure>;

/** A node's capacity and prices in one cluster. The newest `sequence` stands. */
export const offerStructure = defineStructure("Offer", {
  node: "address",
  cluster: "uint256",
  /** Hash of the offer's canonical body. */
  contentHash: "bytes32",
  sequence: "uint64",
  validUntil: "uint64",
});
export type Offer = ValueOf<typeof offerStructure>;

/**
 * The origin's running hash after one part: SHA-256(previous, SHA-256(part)). Of a segment's end, with `part` the number
 * of parts: SHA-256(previous, 32 zero bytes).
 */
export const partHashStructure = defineStructure("PartHash", {
  stream: "bytes32",
  rung: "uint32",
  seq: "uint64",
  part: "uint32",
  runningHash: "bytes32",
});
export type PartHash = ValueOf<typeof partHashStructure>;

/** How far a stream is at its origin: the newest segment of any rung, and how many parts of it are published. */
export const progressStructure = defineStructure("Progress", {
  stream: "bytes32",
  /** Milliseconds on a count of the origin's own that only goes up: it tells how long ago, and no time of day. */
  atMs: "uint64",
  rung: "uint32",
  seq: "uint64",
  /** 0 while nothing is published. */
  parts: "uint32",
});
export type Progress = ValueOf<typeof progressStructure>;

/** A balancer's commitment to an epoch's hash chain of `length` seeds, whose end is `anchor`. */
export const seedCommitStructure = defineStructure("SeedCommit", {
  cluster: "uint256",
  epoch: "uint64",
  anchor: "bytes32",
  length: "uint32",
});
export type SeedCommit = ValueOf<typeof seedCommitStructure>;

/** A balancer's account of one decision. `bodyHash` covers filter counts, the drawn few and their costs. */
export const selectionReceiptStructure = defineStructure("SelectionReceipt", {
  job: "bytes32",
  attempt: "uint32",
  cluster: "uint256",
  seed: "bytes32",
  tableRoot: "bytes32",
  bodyHash: "bytes32",
  /** Zero when nobody passed. */
  winner: "address",
  decidedAt: "uint64",
});
export type SelectionReceipt = ValueOf<typeof selectionReceiptStructure>;

/** A checker's verdict on one receipt. */
export const checkResultStructure = defineStructure("CheckResult", {
  job: "bytes32",
  seq: "uint64",
  attempt: "uint32",
  receiptHash: "bytes32",
  /** Which check of DESIGN section 6: 1 to 5. */
  check: "uint8",
  verdict: "uint8",
  checkedAt: "uint64",
});
export type CheckResult = ValueOf<typeof checkResultStructure>;

/** Values of CheckResult's `verdict`. */
export const checkVerdicts = { passed: 1, failed: 2, unproven: 3 } as const;

/** An account's signature under one HTTP call to one cluster; `requestHash` covers method, path and body. */
export const apiRequestStructure = defineStructure("ApiRequest", {
  account: "address",
  /** Whose balancer is asked: every other one refuses it. */
  cluster: "uint256",
  requestHash: "bytes32",
  issuedAt: "uint64",
  nonce: "bytes32",
});
export type ApiRequest = ValueOf<typeof apiRequestStructure>;

/** A node's promise to hold bytes for a buyer. The contract `Faults` takes challenges against it. */
export const storageDealStructure = defineStructure("StorageDeal", {
  node: "address",
  /** Who pays, and the only one who may challenge. */
  buyer: "address",
  token: "address",
  /** SHA-256 tree over leaves of 1 KiB: see `storage-tree.ts`. */
  contentRoot: "bytes32",
  sizeBytes: "uint64",
  startsAt: "uint64",
  expiresAt: "uint64",
  /** Of one byte and second, in units of 10^-30 token. */
  price: "uint256",
  /** What the whole term counts in the stake token: a default costs the part of it that was left when it was challenged. */
  termValue: "uint128",
  /** What a default costs beyond that, in the stake token. */
  bond: "uint128",
  nonce: "uint256",
});
export type StorageDeal = ValueOf<typeof storageDealStructure>;

/** A node key's consent to belong to an operator. The verifying contract is the operator registry. */
export const nodePossessionStructure = defineStructure("NodePossession", {
  operator: "address",
  node: "address",
  validUntil: "uint64",
});
export type NodePossession = ValueOf<typeof nodePossessionStructure>;

/** A key's consent to sign vouchers for a payer, where the payer allots it a channel. The verifying contract is the escrow. */
export const signerPossessionStructure = defineStructure("SignerPossession", {
  payer: "address",
  signer: "address",
  validUntil: "uint64",
});
export type SignerPossession = ValueOf<typeof signerPossessionStructure>;

/** A balancer key's consent to sign for a cluster of `owner`. The verifying contract is the cluster registry. */
export const balancerPossessionStructure = defineStructure("BalancerPossession", {
  cluster: "uint256",
  owner: "address",
  balancer: "address",
  validUntil: "uint64",
});
export type BalancerPossession = ValueOf<typeof balancerPossessionStructure>;
