import { invalid } from "./message-reader.ts";

/** One track that a server describes. */
export interface DescribedTrack {
  readonly kind: "video" | "audio";
  readonly payloadType: number;
  /** In capitals: `H264`, `MPEG4-GENERIC`. */
  readonly encoding: string;
  readonly clockRate: number;
  readonly channels: number;
  /** What the encoding wants said, as it stands there. */
  readonly parameters: string;
  /** Where it is asked for. */
  readonly uri: string;
}

export interface SessionDescription {
  readonly tracks: readonly DescribedTrack[];
  /** Where all of it is asked for. */
  readonly uri: string;
  /** It is recorded, and has an end. */
  readonly isWhole: boolean;
}

interface Section {
  readonly kind: string;
  readonly formats: readonly number[];
  readonly attributes: readonly string[];
}

/** A camera has some thirty lines. */
const MAX_LINES = 1_024;
const MAX_CLOCK_RATE = 1_000_000;
const named: Readonly<Record<number, readonly [encoding: string, clockRate: number]>> = {
  0: ["PCMU", 8_000],
  8: ["PCMA", 8_000],
  14: ["MPA", 90_000],
  26: ["JPEG", 90_000],
};

/** @param base What addresses in it are relative to. @throws PULL_RTSP_INVALID */
export function readDescription(text: string, base: string): SessionDescription {
  const lines = text.split(/\r?\n/);
  if (lines.length > MAX_LINES || lines[0]?.startsWith("v=") !== true) throw invalid("description");
  const session: string[] = [];
  const sections: Section[] = [];
  let attributes = session;
  for (const line of lines) {
    const [, kind, formats] = /^m=(\S+) \S+ \S+ (.*)$/.exec(line) ?? [];
    if (kind !== undefined) {
      attributes = [];
      sections.push({ kind, formats: formats!.split(" ").map(Number), attributes });
    } else if (line.startsWith("a=")) attributes.push(line.slice(2));
  }
  const uri = resolveUri(findValue(session, "control") ?? "*", base);
  const tracks = sections.flatMap((section) => readTrack(section, uri, base));
  return { tracks, uri, isWhole: /^npt=[0-9.:]*-[0-9]/.test(findValue(session, "range") ?? "") };
}

function readTrack({ kind, formats, attributes }: Section, session: string, base: string): DescribedTrack[] {
  const [payloadType] = formats;
  if (kind !== "video" && kind !== "audio") return [];
  if (payloadType === undefined || !(payloadType >= 0 && payloadType <= 127)) return [];
  const map = findValue(attributes, "rtpmap", payloadType);
  const [, name, rate, channels] = /^([^/\s]+)\/(\d+)(?:\/(\d+))?/.exec(map ?? "") ?? [];
  const [encoding, clockRate] = name === undefined ? (named[payloadType] ?? []) : [name.toUpperCase(), Number(rate)];
  if (encoding === undefined || clockRate === undefined || clockRate < 1 || clockRate > MAX_CLOCK_RATE) return [];
  const control = findValue(attributes, "control") ?? "*";
  const parameters = findValue(attributes, "fmtp", payloadType) ?? "";
  const uri = control === "*" ? session : resolveUri(control, base);
  return [{ kind, payloadType, encoding, clockRate, channels: Number(channels ?? 1), parameters, uri }];
}

function findValue(attributes: readonly string[], name: string, payloadType?: number): string | undefined {
  const start = payloadType === undefined ? `${name}:` : `${name}:${payloadType} `;
  return attributes
    .find((one) => one.startsWith(start))
    ?.slice(start.length)
    .trim();
}

/**
 * What cameras mean by a track's address: it follows the description's own, whatever that ends with. It is a name on the
 * connection that there is: whatever host stands in it is not connected to.
 */
function resolveUri(control: string, base: string): string {
  if (control === "*") return base;
  const uri = /^rtsps?:\/\//i.test(control) ? control : `${base}${base.endsWith("/") ? "" : "/"}${control}`;
  // It becomes a line's own words.
  if (!/^[!-~]{1,2048}$/.test(uri)) throw invalid("address of a track");
  return uri;
}
