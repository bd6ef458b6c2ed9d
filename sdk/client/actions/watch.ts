import { CodedError } from "../../base/errors.ts";

/** Where one edge plays it: the master playlist, and the address for players of SRT where the edge has that. */
export interface PlayedAt {
  readonly hls: string;
  readonly srt?: string;
}

/** Where a stream plays now, and what state it is in. The answer of `GET /v1/play/{slug}`. */
export interface Playback {
  readonly stream: string;
  readonly state: "created" | "live" | "ended";
  readonly primary: PlayedAt;
  readonly fallback: PlayedAt | null;
}

type Answer = Omit<Playback, "primary"> & { readonly primary: Playback["primary"] | null };

export class WatchError extends CodedError<
  | { code: "WATCH_REFUSED"; status: number; reason: string }
  | { code: "WATCH_UNREACHABLE"; url: string }
  | { code: "WATCH_NOWHERE"; state: Playback["state"] }
> {}

/**
 * Asks a cluster's balancer where a stream plays. It places delivery jobs when the stream has none.
 * @param client Any object with the cluster's URL; `""` asks the page's own origin.
 * @param token What the stream's owner gave the viewer, where the stream is not public. The addresses that are answered
 * carry it on.
 * @throws WATCH_NOWHERE while no edge has it (nobody publishes yet, or it is long over), WATCH_REFUSED with the
 * balancer's code, WATCH_UNREACHABLE when it did not answer.
 */
export async function getPlayback(
  client: { readonly clusterUrl: string },
  slug: string,
  token?: string,
): Promise<Playback> {
  const query = token === undefined ? "" : `?token=${encodeURIComponent(token)}`;
  const url = `${client.clusterUrl}/v1/play/${encodeURIComponent(slug)}${query}`;
  let response: Response;
  try {
    response = await fetch(url, { headers: { accept: "application/json" } });
  } catch (cause) {
    throw new WatchError({ code: "WATCH_UNREACHABLE", url }, { cause });
  }
  const body = (await response.json().catch(() => undefined)) as Answer | { error?: { code?: string } } | undefined;
  if (response.ok && body !== undefined && "primary" in body) {
    const { primary, ...rest } = body;
    if (primary === null) throw new WatchError({ code: "WATCH_NOWHERE", state: body.state });
    return { ...rest, primary };
  }
  const reason = body !== undefined && "error" in body ? (body.error?.code ?? "UNKNOWN") : "UNKNOWN";
  throw new WatchError({ code: "WATCH_REFUSED", status: response.status, reason });
}
