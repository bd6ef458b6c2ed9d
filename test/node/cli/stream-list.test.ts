import assert from "node:assert/strict";
import { chooseStreams, renderStreams } from "../../../node/cli/stream-list.ts";

type State = "created" | "live" | "ended";

describe("list of streams", () => {
  const make = (
    at: number,
    state: State,
    more: { url?: string; endCode?: string; refused?: readonly string[] } = {},
  ) => ({
    id: `0x${at}` as const,
    slug: `s${at}`,
    state,
    pull: more.url === undefined ? null : { url: more.url, when: "always" as const, code: null },
    endCode: more.endCode ?? null,
    refusals: (more.refused ?? []).map((code) => ({ part: "ingest", code, atMs: 1 })),
  });
  const slugsOf = ({ streams }: { streams: readonly { slug: string }[] }) => streams.map(({ slug }) => slug);

  it("never hides a stream that is live or starts, however old and however many", () => {
    const old = [
      make(60, "created", { url: "http://camera.example/a.ts" }),
      make(61, "live"),
      make(62, "ended", { url: "http://camera.example/b.ts" }),
    ];
    const all = [...Array.from({ length: 60 }, (_, at) => make(at, at === 7 ? "live" : "created")), ...old];
    const list = chooseStreams(all, 5);
    assert.deepEqual(slugsOf(list), ["s7", "s61", "s60", "s0", "s1"]);
    assert.equal(list.total, 63);
    assert.deepEqual(slugsOf(chooseStreams(all, 1)), ["s7", "s61", "s60"]);
    assert.match(renderStreams(list), /\n\n5 of 63 shown, all that are live; --all shows the rest$/);
    const whole = chooseStreams(all, Number.MAX_SAFE_INTEGER);
    assert.deepEqual([whole.streams.length, new Set(slugsOf(whole)).size], [63, 63]);
    assert.match(renderStreams(whole), /\n\n63 of 63 shown$/);
    assert.equal(renderStreams(chooseStreams([], 5)), "no streams");
  });

  it("says why a stream is over, and why nobody works for one", () => {
    const all = [
      make(1, "ended", { endCode: "STREAM_RESERVE_SPENT" }),
      make(2, "created", { refused: ["BUYER_AGENT_ABSENT"] }),
    ];
    const text = renderStreams(chooseStreams(all, 5));
    assert.match(text, /^s1 +ended +STREAM_RESERVE_SPENT +0x1$/m);
    assert.match(text, /^s2 +created +BUYER_AGENT_ABSENT +0x2$/m);
    assert.match(text, /^STREAM_RESERVE_SPENT: the reserve .*\nBUYER_AGENT_ABSENT: nobody is connected/m);
  });
});
