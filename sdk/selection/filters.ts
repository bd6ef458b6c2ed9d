import { encodingLoad } from "../protocol/encoding-load.ts";
import type { Address } from "../protocol/hex.ts";
import { type PriceUnit, pixelUnits } from "../protocol/job.ts";
import type { Candidate, SelectionRequest, VettingStage } from "./candidate.ts";
import type { SelectionParameters } from "./parameters.ts";
import { MAX_WEIGHT } from "./parameters.ts";
import type { SeedStream } from "./seed.ts";
import type { CandidateTable } from "./table.ts";

/** In the order of checking: a node counts under the first that it fails. */
export const filterNames = [
  "primitive",
  "codec",
  "region",
  "excluded",
  "token",
  "price",
  "stake",
  "draining",
  "load",
  "capacity",
  "vetting",
] as const;
export type FilterName = (typeof filterNames)[number];
export type FilterCounts = Readonly<Record<FilterName, number>>;

/** Who may win this decision: standing nodes, those still being vetted, or all for want of vetted ones. */
export type Lane = VettingStage | "all";

export interface FilterResult {
  /** Row numbers of those that passed, rising, and the weight of each. */
  readonly rows: readonly number[];
  readonly weights: readonly number[];
  readonly counts: FilterCounts;
  readonly lane: Lane;
}

/** The request with its lists as maps: made once per decision. */
interface Wanted {
  readonly request: SelectionRequest;
  readonly excluded: ReadonlySet<Address>;
  readonly reserved: ReadonlyMap<Address, number>;
}

export function filterCandidates(
  table: CandidateTable,
  request: SelectionRequest,
  parameters: SelectionParameters,
  stream: SeedStream,
): FilterResult {
  const { wanted, passed, counts } = passHardFilters(table, request, parameters);
  const backed = table.backed[request.primitive];
  const found: Record<VettingStage, number> = { new: 0, probation: 0, standing: 0 };
  for (const index of passed) found[table.rows[index]!.vetting] += 1;
  const lane = chooseLane(found, parameters, stream);
  const rows = lane === "all" ? passed : passed.filter((index) => table.rows[index]!.vetting === lane);
  const weights = rows.map((index) =>
    weigh(table.rows[index]!, backed[index]!, request, wanted.reserved.get(table.rows[index]!.node) ?? 0),
  );
  return { rows, weights, counts: { ...counts, vetting: passed.length - rows.length }, lane };
}

export interface FilterPreview {
  /** Nodes that pass every hard filter, whoever's turn it is. */
  readonly fitting: readonly Address[];
  /** `vetting` is 0: it is a matter of the seed. */
  readonly counts: FilterCounts;
}

/** What a decision would find before it draws: for who wants to know whether it is worth one. */
export function previewFilters(
  table: CandidateTable,
  request: SelectionRequest,
  parameters: SelectionParameters,
): FilterPreview {
  const { passed, counts } = passHardFilters(table, request, parameters);
  return { fitting: passed.map((index) => table.rows[index]!.node), counts };
}

/** Whom a decision of this lane left out, by the filter that counted it: rows in the table's order. */
export function listFiltered(
  table: CandidateTable,
  request: SelectionRequest,
  parameters: SelectionParameters,
  lane: Lane,
): ReadonlyMap<Address, FilterName> {
  const filtered = new Map<Address, FilterName>();
  judgeRows(table, request, parameters, (row, failed) => {
    const isOther = lane !== "all" && row.vetting !== lane;
    const filter = failed ?? (isOther ? "vetting" : undefined);
    if (filter !== undefined) filtered.set(row.node, filter);
  });
  return filtered;
}

function passHardFilters(table: CandidateTable, request: SelectionRequest, parameters: SelectionParameters) {
  const counts = Object.fromEntries(filterNames.map((name) => [name, 0])) as Record<FilterName, number>;
  const passed: number[] = [];
  const wanted = judgeRows(table, request, parameters, (_row, failed, index) => {
    if (failed === undefined) passed.push(index);
    else counts[failed] += 1;
  });
  return { wanted, passed, counts };
}

function judgeRows(
  table: CandidateTable,
  request: SelectionRequest,
  parameters: SelectionParameters,
  judged: (row: Candidate, failed: Exclude<FilterName, "vetting"> | undefined, index: number) => void,
): Wanted {
  const wanted = readRequest(request);
  const backed = table.backed[request.primitive];
  const prices = pricesOf(table, request);
  for (let index = 0; index < table.rows.length; index += 1) {
    const row = table.rows[index]!;
    judged(row, failedFilter(row, backed[index]!, prices[index], wanted, parameters), index);
  }
  return wanted;
}

function readRequest(request: SelectionRequest): Wanted {
  const excluded = new Set(request.excluded.map((entry) => entry.node));
  return { request, excluded, reserved: sumReserved(request) };
}

/** Why this node cannot take the job, or undefined. Vetting apart, which depends on who else is there. */
export function failedFilter(
  row: Candidate,
  backed: number,
  price: bigint | undefined,
  wanted: Wanted,
  parameters: SelectionParameters,
): Exclude<FilterName, "vetting"> | undefined {
  const { request } = wanted;
  if (!row.primitives.includes(request.primitive)) return "primitive";
  for (const codec of request.codecs) if (!row.codecs.includes(codec)) return "codec";
  if (request.region !== undefined && row.region !== request.region) return "region";
  if (wanted.excluded.has(row.node)) return "excluded";
  if (price === undefined) return "token";
  if (request.priceCeiling !== undefined && price > request.priceCeiling) return "price";
  if (row.stake < parameters.minimumStake) return "stake";
  if (row.draining) return "draining";
  if (row.overloaded) return "load";
  const reserved = wanted.reserved.get(row.node) ?? 0;
  if (weigh(row, backed, request, reserved) < 1 || row.free[request.primitive] - reserved < loadOf(row, request)) {
    return "capacity";
  }
  return undefined;
}

/** What the job counts of the node's capacity: of several codecs by that which counts most. */
function loadOf({ speeds = [] }: Candidate, { codecs, units }: SelectionRequest): number {
  return codecs.length === 0 ? units : Math.max(...codecs.map((codec) => encodingLoad(speeds, codec, units)));
}

/** The dearest of the prices that the job would pay in its token; undefined when one of them is not offered. */
export function dearestPrice(row: Candidate, request: SelectionRequest): bigint | undefined {
  const prices = row.prices.find((entry) => entry.token === request.token)?.prices;
  if (prices === undefined) return undefined;
  if (request.primitive !== "transcode") return prices[flatUnits[request.primitive]];
  let dearest: bigint | undefined;
  for (const codec of request.codecs) {
    const price = prices[pixelUnits[codec]];
    if (price === undefined) return undefined;
    if (dearest === undefined || price > dearest) dearest = price;
  }
  return dearest;
}

const flatUnits = {
  ingest: "ingestMs",
  storage: "storedByteSecond",
  delivery: "deliveredByte",
} as const satisfies Record<string, PriceUnit>;

type PriceColumn = readonly (bigint | undefined)[];
const priceColumns = new WeakMap<CandidateTable, Map<string, PriceColumn>>();

/** What each row asks, worked out once per table, token and codecs, not once per decision. */
function pricesOf(table: CandidateTable, request: SelectionRequest): PriceColumn {
  let columns = priceColumns.get(table);
  if (columns === undefined) {
    columns = new Map();
    priceColumns.set(table, columns);
  }
  const key = `${request.primitive} ${request.token} ${request.codecs.join(" ")}`;
  let column = columns.get(key);
  if (column === undefined) {
    column = table.rows.map((row) => dearestPrice(row, request));
    columns.set(key, column);
  }
  return column;
}

/** min(measured free capacity, stake-backed capacity), less what was given away since. Linear on purpose. */
function weigh(row: Candidate, backed: number, request: SelectionRequest, reserved: number): number {
  const free = Math.min(row.free[request.primitive], MAX_WEIGHT);
  return Math.max(0, Math.min(free - reserved, backed));
}

function sumReserved(request: SelectionRequest): Map<Address, number> {
  const sums = new Map<Address, number>();
  for (const { node, units } of request.reserved) sums.set(node, (sums.get(node) ?? 0) + units);
  return sums;
}

/** New nodes get their share of the decisions, those on probation theirs; an empty lane gives way to the next. */
function chooseLane(
  found: Readonly<Record<VettingStage, number>>,
  parameters: SelectionParameters,
  stream: SeedStream,
): Lane {
  const turn = stream.below(1000);
  if (found.standing === 0) return "all";
  if (turn < parameters.newPermille) return found.new > 0 ? "new" : "standing";
  if (turn < parameters.newPermille + parameters.probationPermille) {
    return found.probation > 0 ? "probation" : "standing";
  }
  return "standing";
}
