import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkDelta, checkReload } from "@leat/node/media/inspect/check-reload.ts";
import type { Finding, RuleName } from "@leat/node/media/inspect/rules.ts";

/** Playlists that are whole, and for each rule at least one that breaks it and nothing else. */

export const goodLive = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12.0,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:8
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-MAP:URI="init-0.mp4"
#EXTINF:4.00000,
8.m4s
#EXTINF:4.00000,
9.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:4.00000,
10.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:04.000Z
#EXTINF:4.00000,
11.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:20.000Z
#EXT-X-GAP
#EXTINF:4.00000,
12.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:24.000Z
#EXT-X-PART:URI="13.0.m4s",DURATION=0.50000,INDEPENDENT=YES
#EXT-X-PART:URI="13.1.m4s",DURATION=0.46667
#EXT-X-PART:URI="13.2.m4s",DURATION=0.20000
#EXTINF:1.16667,
13.m4s
#EXT-X-PART:URI="14.0.m4s",DURATION=0.50000,INDEPENDENT=YES
#EXT-X-PART:URI="14.1.m4s",DURATION=0.46667
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="14.2.m4s"
#EXT-X-RENDITION-REPORT:URI="../240p/index.m3u8",LAST-MSN=14,LAST-PART=1
`;

export const goodMaster = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="en/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="French",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="fr/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",URI="subs/index.m3u8"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="English",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,RESOLUTION=854x480,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=30.000,AUDIO="aac",SUBTITLES="subs",CLOSED-CAPTIONS="cc"
480p/index.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=300000,AVERAGE-BANDWIDTH=200000,RESOLUTION=854x480,CODECS="avc1.64001f",URI="480p/iframes.m3u8"
`;

const goodVod = `#EXTM3U
#EXT-X-VERSION:4
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:4.0,
#EXT-X-BYTERANGE:100@0
all.ts
#EXTINF:4.0,
#EXT-X-BYTERANGE:120
all.ts
#EXT-X-ENDLIST
`;

/** The live one a little later: two parts on, and the segment closed. */
export const goodNext = edit(
  goodLive,
  ["#EXT-X-PRELOAD-HINT", '#EXT-X-PART:URI="14.2.m4s",DURATION=0.30000\n#EXTINF:1.26667,\n14.m4s\n#EXT-X-PRELOAD-HINT'],
  ['URI="14.2.m4s"\n#EXT-X-RENDITION', 'URI="15.0.m4s"\n#EXT-X-RENDITION'],
);

const noLowLatency = goodLive
  .split("\n")
  .filter((line) => !/EXT-X-(PART|PRELOAD|SERVER|RENDITION)/.test(line))
  .join("\n");
const goodEvent = noLowLatency.replace("#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE");
const ended = `${noLowLatency.trimEnd()}\n#EXT-X-ENDLIST\n`;

const longLive = makeLong(0, 20);
const longNext = makeLong(0, 21);
const longDelta = makeLong(0, 21, 9);

export const goodPlaylists: Readonly<Record<string, string>> = {
  goodLive,
  goodMaster,
  goodVod,
  goodNext,
  goodEvent,
  ended,
  longDelta,
  withLineEnds: goodLive.replaceAll("\n", "\r\n"),
};
export const goodReloads: readonly (readonly [string, string])[] = [
  [goodLive, goodLive],
  [goodLive, goodNext],
  [longLive, longNext],
  [longLive, longDelta],
  [noLowLatency, ended],
  [noLowLatency, dropFirst(noLowLatency, 2)],
];
export const goodDeltas: readonly (readonly [string, string, string])[] = [[longLive, longDelta, longNext]];

/** Segments of 4 s, `skipped` of them left out. */
function makeLong(first: number, count: number, skipped = 0): string {
  const segments = Array.from({ length: count - skipped }, (_, index) => {
    return `#EXTINF:4.00000,\n${first + skipped + index}.ts\n`;
  });
  const skip = skipped === 0 ? "" : `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n`;
  const head = `#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24\n`;
  return `${head}#EXT-X-MEDIA-SEQUENCE:${first}\n${skip}${segments.join("")}`;
}

/** Without its first segments, the number of the first moved on with them. */
function dropFirst(playlist: string, count: number): string {
  const start = playlist.indexOf(`${7 + count}.m4s\n`) + `${7 + count}.m4s\n`.length;
  const head = playlist.slice(0, playlist.indexOf("#EXTINF"));
  return `${head}${playlist.slice(start)}`.replace("MEDIA-SEQUENCE:8", `MEDIA-SEQUENCE:${8 + count}`);
}

function edit(text: string, ...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((made, [from, to]) => {
    if (!made.includes(from)) throw new Error(`nothing reads ${from}`);
    return made.replace(from, to);
  }, text);
}

export interface BrokenCase {
  readonly rule: RuleName;
  readonly name: string;
  check(): readonly Finding[];
}

const text = (rule: RuleName, name: string, playlist: string | Uint8Array): BrokenCase => ({
  rule,
  name,
  check: () => checkPlaylist(playlist),
});
const live = (rule: RuleName, from: string, to: string): BrokenCase =>
  text(rule, `${from.trim()} made ${to.trim() === "" ? "nothing" : to.trim()}`, edit(goodLive, [from, to]));
const master = (rule: RuleName, from: string, to: string): BrokenCase =>
  text(rule, `${from.trim()} made ${to.trim() === "" ? "nothing" : to.trim()}`, edit(goodMaster, [from, to]));
const reload = (rule: RuleName, name: string, before: string, after: string): BrokenCase => ({
  rule,
  name,
  check: () => checkReload(before, after),
});
const delta = (rule: RuleName, name: string, held: string, update: string, whole: string): BrokenCase => ({
  rule,
  name,
  check: () => checkDelta(held, update, whole),
});

export const brokenPlaylists: readonly BrokenCase[] = [
  text("utf8-invalid", "a byte that is no UTF-8", Uint8Array.from([...Buffer.from(`${goodLive}# `), 0xff, 0x0a])),
  text("byte-order-mark", "a byte order mark", Buffer.from(`\ufeff${goodLive}`)),
  text(
    "control-character",
    "a tab in a comment",
    edit(goodLive, ["#EXT-X-MEDIA-SEQUENCE", "# a\tb\n#EXT-X-MEDIA-SEQUENCE"]),
  ),
  text("line-ending", "CR alone", edit(goodLive, ["#EXTM3U\n", "#EXTM3U\r"])),
  text("header-missing", "no first line", edit(goodLive, ["#EXTM3U\n", ""])),
  text("header-missing", "a blank line first", `\n${goodLive}`),
  live("uri-escape", "10.m4s", "10 a.m4s"),
  live("uri-escape", "10.m4s", "10%2.m4s"),
  live("uri-escape", 'URI="init-0.mp4"', 'URI="init<0>.mp4"'),
  live("tag-value", "#EXTINF:4.00000,\n11", "#EXTINF:four,\n11"),
  live("tag-value", "2026-01-01T00:00:04.000Z", "yesterday"),
  live("tag-value", "MEDIA-SEQUENCE:8", "MEDIA-SEQUENCE:ten"),
  live("tag-duplicate", "#EXT-X-VERSION:9\n", "#EXT-X-VERSION:9\n#EXT-X-VERSION:9\n"),
  master("tag-duplicate", "#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-VERSION:7\n"),
  live("tag-kind", "#EXT-X-VERSION:9\n", '#EXT-X-VERSION:9\n#EXT-X-SESSION-DATA:DATA-ID="a.b",VALUE="c"\n'),
  master("tag-kind", "#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n"),
  text(
    "tag-late",
    "independence said after the first segment",
    edit(goodLive, ["11.m4s\n", "11.m4s\n#EXT-X-INDEPENDENT-SEGMENTS\n"]),
  ),
  master("attribute-syntax", 'GROUP-ID="aac",NAME="English"', 'GROUP-ID="aac", NAME="English"'),
  live("attribute-syntax", "PART-TARGET=0.5", "PART-TARGET=0.5,"),
  live("attribute-duplicate", 'URI="init-0.mp4"', 'URI="init-0.mp4",URI="init-0.mp4"'),
  master("attribute-missing", "BANDWIDTH=300000,AVERAGE-", "AVERAGE-"),
  live("attribute-missing", '#EXT-X-MAP:URI="init-1.mp4"', '#EXT-X-START:PRECISE=YES\n#EXT-X-MAP:URI="init-1.mp4"'),
  master("attribute-value", "RESOLUTION=854x480", "RESOLUTION=480p"),
  master("attribute-value", "DEFAULT=NO", "DEFAULT=no"),
  live("attribute-value", "CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=YES,CAN-SKIP-DATERANGES=NO"),
  live("version-low", "VERSION:9", "VERSION:5"),
  live("version-low", "#EXT-X-VERSION:9\n", ""),
  text("version-low", "a delta update in version 8", edit(longDelta, ["VERSION:9", "VERSION:8"])),

  live("target-duration-missing", "#EXT-X-TARGETDURATION:4\n", ""),
  live("target-duration-exceeded", "#EXTINF:4.00000,\n10", "#EXTINF:4.50000,\n10"),
  text(
    "segment-duration-missing",
    "an address alone",
    edit(goodVod, ["#EXTINF:4.0,\n#EXT-X-BYTERANGE:100", "#EXT-X-BYTERANGE:100"]),
  ),
  text("segment-uri-missing", "a duration at the end", `${noLowLatency.trimEnd()}\n#EXTINF:4.0,\n`),
  live("map-missing", '#EXT-X-MAP:URI="init-0.mp4"\n', ""),
  text("byte-range-start", "a range that follows none", edit(goodVod, ["100@0", "100"])),
  text(
    "date-time-backward",
    "a clock that goes back over a discontinuity",
    edit(goodLive, ["00:00:20.000Z", "00:00:01.000Z"], ["00:00:24.000Z", "00:00:05.000Z"]),
  ),
  live("date-time-drift", "00:00:24.000Z", "00:00:27.000Z"),
  live("date-time-drift", "00:00:04.000Z", "00:00:02.500Z"),
  text(
    "window-short",
    "two segments after many",
    `#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:9\n#EXTINF:4,\n9.ts\n#EXTINF:4,\n10.ts\n`,
  ),
  live("hold-back-short", ",HOLD-BACK=12.0", ",HOLD-BACK=11.0"),

  live("part-target-missing", "#EXT-X-PART-INF:PART-TARGET=0.5\n", ""),
  text(
    "part-too-long",
    "a part above the target",
    edit(goodLive, ['14.1.m4s",DURATION=0.46667', '14.1.m4s",DURATION=0.51000']),
  ),
  text(
    "part-too-short",
    "a part in the middle under 85 %",
    edit(
      goodLive,
      ['13.1.m4s",DURATION=0.46667', '13.1.m4s",DURATION=0.42000'],
      ["#EXTINF:1.16667", "#EXTINF:1.12000"],
    ),
  ),
  live("part-sum", "#EXTINF:1.16667", "#EXTINF:1.30000"),
  live("part-gap", "#EXTINF:1.16667", "#EXT-X-GAP\n#EXTINF:1.16667"),
  live("part-hold-back-missing", ",PART-HOLD-BACK=1.5", ""),
  live("part-hold-back-short", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9"),
  live("part-hold-back-advised", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.2"),
  live("block-reload-missing", "CAN-BLOCK-RELOAD=YES,", ""),
  text(
    "hint-duplicate",
    "two parts hinted",
    edit(goodLive, ["#EXT-X-PRELOAD", '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="14.3.m4s"\n#EXT-X-PRELOAD']),
  ),
  text("hint-after-end", "a hint after the end", `${ended}#EXT-X-PRELOAD-HINT:TYPE=PART,URI="14.0.m4s"\n`),
  live("skip-until-short", "CAN-SKIP-UNTIL=24.0", "CAN-SKIP-UNTIL=23.0"),
  text(
    "skip-unoffered",
    "a delta update nobody offered",
    edit(longDelta, ["#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24\n", ""]),
  ),
  text("skip-too-near", "all but five segments skipped", makeLong(0, 21, 16)),

  reload(
    "target-duration-changed",
    "4 s to 5 s",
    goodLive,
    edit(goodLive, ["DURATION:4", "DURATION:5"], ["=24.0", "=30.0"], ["HOLD-BACK=12.0", "HOLD-BACK=15.0"]),
  ),
  reload(
    "part-target-changed",
    "0.5 s to 0.51 s",
    goodLive,
    edit(goodLive, ["PART-TARGET=0.5", "PART-TARGET=0.51"], ["PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.6"]),
  ),
  reload("media-sequence-backward", "8 to 7", noLowLatency, edit(noLowLatency, ["SEQUENCE:8", "SEQUENCE:7"])),
  reload("segment-changed", "another address", noLowLatency, edit(noLowLatency, ["11.m4s", "11b.m4s"])),
  reload(
    "segment-changed",
    "another duration",
    noLowLatency,
    edit(noLowLatency, ["#EXTINF:4.00000,\n11", "#EXTINF:3.90000,\n11"]),
  ),
  reload("segment-changed", "another map", noLowLatency, edit(noLowLatency, ["init-1", "init-2"])),
  reload(
    "segment-dropped",
    "the last one gone",
    noLowLatency,
    `${noLowLatency.slice(0, noLowLatency.indexOf("12.m4s") + 7)}`,
  ),
  reload("segment-dropped", "an event that lost its first", goodEvent, dropFirst(goodEvent, 1)),
  reload(
    "part-changed",
    "another duration",
    goodLive,
    edit(goodLive, ['14.0.m4s",DURATION=0.50000', '14.0.m4s",DURATION=0.49000']),
  ),
  reload(
    "part-changed",
    "open parts gone",
    goodLive,
    edit(
      goodLive,
      ['#EXT-X-PART:URI="14.0.m4s",DURATION=0.50000,INDEPENDENT=YES\n', ""],
      ['#EXT-X-PART:URI="14.1.m4s",DURATION=0.46667\n', ""],
    ),
  ),
  reload(
    "discontinuity-sequence",
    "not raised",
    longLive.replace("#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF"),
    makeLong(2, 20),
  ),
  reload(
    "discontinuity-sequence",
    "raised for nothing",
    noLowLatency,
    edit(noLowLatency, ["DISCONTINUITY-SEQUENCE:2", "DISCONTINUITY-SEQUENCE:3"]),
  ),
  reload(
    "changed-after-end",
    "one more segment",
    ended,
    edit(ended, ["#EXT-X-ENDLIST", "#EXTINF:4.0,\n14.m4s\n#EXT-X-ENDLIST"]),
  ),
  reload("changed-after-end", "the end taken back", ended, noLowLatency),
  reload(
    "hint-broken",
    "another part came",
    goodLive,
    edit(goodNext, ['#EXT-X-PART:URI="14.2.m4s"', '#EXT-X-PART:URI="14.2b.m4s"']),
  ),
  reload("hint-broken", "another part hinted instead", goodLive, edit(goodLive, ['URI="14.2.m4s"', 'URI="15.0.m4s"'])),
  delta("delta-differs", "a segment skipped that was not held", makeLong(0, 5), longDelta, longNext),
  delta("delta-differs", "a segment forgotten", longLive, edit(longDelta, ["#EXTINF:4.00000,\n12.ts\n", ""]), longNext),

  text("variant-missing", "renditions alone", goodMaster.split("\n").slice(0, 7).join("\n")),
  master("variant-uri-missing", "480p/index.m3u8\n", ""),
  master("average-bandwidth-missing", ",AVERAGE-BANDWIDTH=1500000", ""),
  master("codecs-missing", ',CODECS="avc1.64001f",', ","),
  master("resolution-missing", ",RESOLUTION=854x480", ""),
  master("frame-rate-missing", ",FRAME-RATE=30.000", ""),
  master("average-above-peak", "AVERAGE-BANDWIDTH=1500000", "AVERAGE-BANDWIDTH=2500000"),
  master("group-missing", 'AUDIO="aac"', 'AUDIO="opus"'),
  master("group-missing", 'SUBTITLES="subs"', 'SUBTITLES="aac"'),
  master("rendition-default", "DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO"),
  master("rendition-default", "DEFAULT=NO", "DEFAULT=YES"),
  master("rendition-name", 'NAME="French"', 'NAME="English"'),
  master("rendition-uri", 'NAME="English",URI="subs/index.m3u8"', 'NAME="English"'),
  master("rendition-uri", ',INSTREAM-ID="CC1"', ""),
];
