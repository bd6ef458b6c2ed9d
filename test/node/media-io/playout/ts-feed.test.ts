import assert from "node:assert/strict";
import type { Piece } from "@leat/node/media-io/playout/piece.ts";
import { TsFeeds } from "@leat/node/media-io/playout/ts-feed.ts";
import { type CodedTrack, codedSound, codedTrack } from "../../../support/coded-track.ts";
import { demux } from "../../../support/ts-files.ts";
import { RelayedStream } from "../../../support/whep-stream.ts";

const SECOND = 90_000;

describe("ts feed", function () {
  this.timeout(30_000);
  let track: CodedTrack;
  let sound: Awaited<ReturnType<typeof codedSound>>;
  let stream: RelayedStream;
  let feeds: TsFeeds;
  before(async () => {
    [track, sound] = await Promise.all([codedTrack("h264"), codedSound()]);
  });
  beforeEach(() => {
    feeds = new TsFeeds();
    stream = new RelayedStream();
    stream.add(1, "180p", track);
    stream.addSound(100, "audio-aac", sound.config);
  });

  function follow(tracks: { video: number | undefined; audio: number | undefined }) {
    const pieces: Piece[] = [];
    const seen = { pieces, ends: 0, leave: () => {} };
    seen.leave = feeds.follow(stream, tracks, {
      piece: (piece) => pieces.push(piece),
      end: () => {
        seen.ends += 1;
      },
    });
    return seen;
  }

  const bytesOf = (pieces: readonly Piece[]) => Uint8Array.from(Buffer.concat(pieces.map(({ bytes }) => bytes)));
  const both = { video: 1, audio: 100 };

  it("is written once for all who follow, and follows nothing once they are gone", () => {
    const [first, second] = [follow(both), follow(both)];
    assert.equal(stream.followed, 2);
    stream.pass(1, 0, track.frames.slice(0, 3), SECOND);
    assert.equal(first.pieces.length, 3);
    assert.ok(first.pieces.every((piece, index) => piece === second.pieces[index]));
    first.leave();
    assert.equal(stream.followed, 2);
    second.leave();
    assert.equal(stream.followed, 0);
  });

  it("begins with nothing of what was before, and marks where one can begin", () => {
    stream.pass(1, 0, track.frames.slice(0, 5), SECOND);
    const { pieces } = follow(both);
    stream.pass(1, 0, track.frames.slice(5, 20), SECOND);
    assert.equal(pieces.length, 5);
    assert.deepEqual(
      pieces.map(({ isEntry }) => isEntry),
      [true, false, false, false, false],
    );
  });

  it("goes on behind pictures that were taken back, with times that rise", () => {
    const { pieces } = follow(both);
    stream.pass(1, 0, track.frames.slice(0, 20), SECOND);
    stream.relay.takeBack(1, 5);
    stream.pass(1, 0, track.frames.slice(16, 20), SECOND);
    stream.pass(1, 0, [{ ...track.frames[15]!, dts: track.frames[20]!.dts, pts: track.frames[20]!.pts }], SECOND);
    stream.pass(1, 0, track.frames.slice(30, 40), 2 * SECOND);
    const { videos, stats } = demux(bytesOf(pieces));
    // Of those that came after, all up to the next key frame are left out.
    assert.equal(videos.length, 20 + 1 + 10);
    assert.ok(videos.slice(1).every(({ dtsMs }, index) => dtsMs > videos[index]!.dtsMs));
    assert.deepEqual([stats.gaps, stats.leftOut], [0, 0]);
  });

  it("leaves out a picture that cannot be read, up to the next key frame", () => {
    const { pieces } = follow(both);
    const broken = { ...track.frames[5]!, data: Uint8Array.of(0, 0, 9, 9, 1) };
    stream.pass(1, 0, [...track.frames.slice(0, 5), broken, ...track.frames.slice(6, 20)], SECOND);
    assert.equal(demux(bytesOf(pieces)).videos.length, 5 + 5);
  });

  it("gives sound alone, which can be begun with where its tables are", () => {
    const { pieces } = follow({ video: undefined, audio: 100 });
    stream.pass(100, 0, sound.frames, 48_000);
    assert.equal(pieces.length, sound.frames.length);
    const entries = pieces.filter(({ isEntry }) => isEntry);
    assert.ok(entries.length >= 7 && entries.length < pieces.length / 5, `${entries.length} entries`);
    const late = pieces.slice(pieces.indexOf(entries[1]!));
    assert.equal(demux(bytesOf(late)).audios.length, late.length);
  });

  it("tells the end to all who follow, and at once to who comes later", () => {
    const [first, second] = [follow(both), follow(both)];
    stream.relay.end();
    assert.deepEqual([first.ends, second.ends, stream.followed], [1, 1, 0]);
    assert.equal(follow(both).ends, 1);
  });
});
