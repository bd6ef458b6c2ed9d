import type { StreamInfo } from "@leat/sdk/client/actions/streams.ts";
import { describeEnd } from "../texts/ends.ts";
import { renderTable } from "./output.ts";

type ListedStream = Pick<StreamInfo, "id" | "slug" | "state" | "pull" | "endCode" | "refusals">;

export interface StreamList<T extends ListedStream> {
  readonly streams: readonly T[];
  /** Of the account, shown or not. */
  readonly total: number;
}

/**
 * What is live or about to be comes first, however old it is and however many there are: it costs money. Then the newest
 * of the rest.
 * @param all Newest first.
 */
export function chooseStreams<T extends ListedStream>(all: readonly T[], limit: number): StreamList<T> {
  const [running, starting, resting] = [0, 1, 2].map((rank) => all.filter((stream) => rankOf(stream) === rank));
  const costly = [...running!, ...starting!];
  return { streams: [...costly, ...resting!.slice(0, Math.max(0, limit - costly.length))], total: all.length };
}

/** A created stream that the cluster fetches begins by itself; another waits for its publisher and costs nothing. */
function rankOf({ state, pull }: ListedStream): number {
  if (state === "live") return 0;
  return state === "created" && pull !== null ? 1 : 2;
}

export function renderStreams({ streams, total }: StreamList<ListedStream>): string {
  if (total === 0) return "no streams";
  const rows = streams.map((stream) => ({
    stream: stream.slug,
    state: stream.state,
    why: codesOf(stream).join(", "),
    id: stream.id,
  }));
  const codes = [...new Set(streams.flatMap(codesOf))].map(describeEnd);
  const shown = `${streams.length} of ${total} shown`;
  return [
    renderTable(rows),
    ...(codes.length === 0 ? [] : [codes.join("\n")]),
    streams.length === total ? shown : `${shown}, all that are live; --all shows the rest`,
  ].join("\n\n");
}

/** Why it is over, or why nobody works for it. */
function codesOf({ endCode, refusals }: ListedStream): string[] {
  return [...new Set([...(endCode === null ? [] : [endCode]), ...refusals.map(({ code }) => code)])];
}
