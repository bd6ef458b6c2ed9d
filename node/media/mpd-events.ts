import type { DateRange } from "./cue-list.ts";

/** What of a presentation a period covers, milliseconds since 1970. */
export interface Covered {
  readonly fromMs: number;
  /** Infinity for the newest: what is to come stands there. */
  readonly untilMs: number;
}

interface CueEvent {
  readonly atMs: number;
  readonly durationMs: number | undefined;
  readonly command: Uint8Array;
}

/** The splice commands that happen within a period, as DASH carries them (SCTE 214-1). */
export function writeEvents(ranges: readonly DateRange[], { fromMs, untilMs }: Covered): string[] {
  const all = ranges.flatMap(eventsOf).filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
  // A command that begins several segments is one event.
  const events = all.filter((event, at) => all.findIndex((other) => isSame(event, other)) === at);
  if (events.length === 0) return [];
  return [
    '<EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="1000">',
    ...events.map(({ atMs, durationMs, command }) => {
      const duration = durationMs === undefined ? "" : ` duration="${Math.round(durationMs)}"`;
      const binary = btoa(String.fromCharCode(...command));
      return (
        `<Event id="${checksumOf(command)}" presentationTime="${Math.round(atMs - fromMs)}"${duration}>` +
        `<Signal xmlns="http://www.scte.org/schemas/35/2016"><Binary>${binary}</Binary></Signal></Event>`
      );
    }),
    "</EventStream>",
  ];
}

function eventsOf({ startMs, endMs, plannedS, commands }: DateRange): CueEvent[] {
  const planned = plannedS === undefined ? undefined : plannedS * 1000;
  const opening = commands["SCTE35-OUT"] ?? commands["SCTE35-CMD"];
  const closing = commands["SCTE35-IN"];
  return [
    ...(opening === undefined ? [] : [{ atMs: startMs, durationMs: planned, command: opening }]),
    ...(closing === undefined || endMs === undefined ? [] : [{ atMs: endMs, durationMs: undefined, command: closing }]),
  ];
}

function isSame(left: CueEvent, right: CueEvent): boolean {
  return left.atMs === right.atMs && checksumOf(left.command) === checksumOf(right.command);
}

/** Tells one command from another, as a number. */
function checksumOf(command: Uint8Array): number {
  return command.subarray(-4).reduce((sum, byte) => sum * 256 + byte, 0);
}
