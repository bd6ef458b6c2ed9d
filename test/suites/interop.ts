import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { buyerOf, createSoon } from "../../scripts/network/demo.ts";
import { type CreatedStream, endStream } from "../../sdk/client/actions/streams.ts";
import type { LadderRequest } from "../../sdk/protocol/job.ts";
import { openBrowser } from "../support/browser.ts";
import { makeCertificate, writeCertificate } from "../support/certificate.ts";
import { TestNetwork } from "../support/e2e-network.ts";
import { waitFor, whenListed, whenPlayable } from "../support/e2e-stream.ts";
import { openPage } from "../support/interop/browser-page.ts";
import { dashJs, hlsJs, playInPage, shakaPlayer, whep } from "../support/interop/browser-players.ts";
import type { PageWay } from "../support/interop/browser-publishers.ts";
import { type Coming, type PatternFiles, shape, writePatternFiles } from "../support/interop/pattern.ts";
import { type Player, playByFfmpeg, playByGstreamer } from "../support/interop/program-players.ts";
import type { Publishing } from "../support/interop/publishers.ts";
import { type Judgement, judge } from "../support/interop/sightings.ts";

const ladder: LadderRequest = [
  { name: "180p", codec: "h264", height: 180, videoBitrate: 500_000, audioBitrate: 96_000 },
];
/** Of the publisher's first and of its second coming, each. */
const PLAYED_S = 15;
const LIMIT_MS = 80;
/** A busy machine makes a browser leave out some; our reports of what arrives may not make it leave out so many. */
const MOST_LEFT_OUT = (2 * PLAYED_S * shape.fps) / 4;
/** The newest pictures refer to one that is not there yet when the connection goes. */
const LOST_AT_DROP = 3;
const BEEPS = 2;
/** Of so many flashes the beep may be judged by nobody: beside a hole, or where pictures do not come steadily. */
const UNJUDGED = 1 / 2;
/** Of the pictures that it shows a browser may leave out so many: it draws, reads and decodes four videos beside all else. */
const LEFT_OUT_IN_PAGE = 1 / 2;

/** Each of these publishers feeds all players at once, drops and comes back. Both sides are programs of others. */
export function describeInterop(everyWay: readonly PageWay[]): void {
  describe("programs of others, that publish and play", function () {
    this.timeout(290_000);
    let directory: string;
    let eventLogs: string;
    let network: TestNetwork;
    let browser: Browser;
    let files: PatternFiles;
    let players: Player[] = [];
    let publishing: Publishing | undefined;
    let leftOut = 0;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "leat-interop-"));
      files = await writePatternFiles(directory);
      const { certFile, keyFile } = await writeCertificate(directory, makeCertificate("leat"));
      const tls = { port: 0, certFile, keyFile };
      network = await TestNetwork.start({
        // One node takes RTMP in as it is, the other one over TLS.
        adjust: (name, config) => (name === "node-a" ? { ...config, rtmp: { ...Object(config.rtmp), tls } } : config),
      });
      eventLogs = join(directory, "events");
      await mkdir(eventLogs);
      browser = await openBrowser(eventLogs);
    });
    after(async () => {
      await browser?.close();
      await network?.stop();
      await rm(directory, { recursive: true, force: true });
    });
    afterEach(async function () {
      tell(players, leftOut);
      leftOut = 0;
      if (this.currentTest?.state === "failed") {
        for (const { name, words } of players) process.stdout.write(`${[name, ...words.slice(-10)].join("\n  ")}\n`);
      }
      await Promise.all(players.splice(0).map((player) => player.stop()));
      await publishing?.drop();
      publishing = undefined;
    });

    for (const { name, urlOf, start, settledS } of everyWay) {
      it(`show what comes from ${name}, and go on when it drops and comes back`, async () => {
        const [created, url] = await createAt({ name, urlOf });
        const origin = `${network.clusterUrl}/healthz`;
        const scene = { url, files, openPage: () => openPage(browser, origin) };
        publishing = start({ ...scene, coming: "first" });
        const hls = await whenBegun(created);
        players = await playEverywhere(hls, origin);
        await whenAllShown("first");
        leftOut = await publishing.leftOut();
        await publishing.drop();
        publishing = start({ ...scene, coming: "second" });
        await whenAllShown("second");
        leftOut += await publishing.leftOut();
        assert.ok(leftOut <= MOST_LEFT_OUT, `${name} left out ${leftOut} pictures`);
        await Promise.all(players.map((player) => player.settle()));
        await endStream(buyerOf(network), created.id);
        for (const player of players) assertSeen(player, judge(player.seen, settledS), leftOut);
      });
    }

    async function whenAllShown(coming: Coming): Promise<void> {
      const shown = players.map(({ seen }) => seen.whenShown(coming, PLAYED_S));
      await Promise.race([Promise.all(shown), publishing!.spent]);
    }

    async function createAt({
      name,
      urlOf,
    }: Pick<PageWay, "name" | "urlOf">): Promise<readonly [CreatedStream, string]> {
      const token = network.economy.deployment.tokens.USDC;
      // A node that was just started is offered once it has told the balancer of itself.
      return waitFor(`an address for ${name}`, 60_000, async () => {
        const created = await createSoon(buyerOf(network), { ladder, token, unsignedBudgetBytes: 1_000_000_000n });
        const url = urlOf(created);
        return url === undefined ? undefined : ([created, url] as const);
      });
    }

    async function whenBegun(created: CreatedStream): Promise<string> {
      const { hls } = (await whenPlayable(network, created)).primary;
      await whenListed(hls, 1);
      return hls;
    }

    async function playEverywhere(hls: string, origin: string): Promise<Player[]> {
      const mpd = new URL("manifest.mpd", hls).href;
      const sources = [hlsJs(hls), shakaPlayer(mpd), dashJs(mpd), whep(new URL("whep", hls).href, eventLogs)];
      const pages = await Promise.all(sources.map((source) => playInPage(browser, origin, source)));
      return [playByFfmpeg("ffmpeg", hls), playByGstreamer("GStreamer", hls), ...pages];
    }
  });
}

function assertSeen({ name, isComplete, isLive, stepsBack }: Player, found: Judgement, leftOut: number): void {
  const { pictures, unread, backwards, mixed, missing, resumedAt, wrongLight, flashes, skewsMs, lateMs } = found;
  assert.deepEqual({ name, mixed, wrongLight }, { name, mixed: 0, wrongLight: 0 });
  if (isLive) assert.ok(unread <= pictures / 100, `${name}: ${unread} unread`);
  else {
    const ofStream = backwards.filter(({ isOwn }) => !isOwn);
    assert.deepEqual({ name, unread, ofStream }, { name, unread: 0, ofStream: [] });
  }
  assert.ok(backwards.length <= stepsBack, `${name}: ${backwards.length} times back`);
  // What comes before a key frame, or before it is listened to, is not there to be shown; nor what was never sent, as
  // browsers do with pictures that they have no time to encode.
  if (isComplete) assert.ok(resumedAt! <= 2 * shape.fps, `${name}: goes on with ${resumedAt}`);
  const most = isComplete ? LOST_AT_DROP : pictures * LEFT_OUT_IN_PAGE;
  assert.ok(missing <= most + leftOut, `${name}: ${missing} missing`);
  for (const [coming, skews] of skewsMs.entries()) {
    const least = Math.max(BEEPS, isComplete ? flashes[coming]! * (1 - UNJUDGED) : 0);
    assert.ok(skews.length >= least, `${name}: ${skews.length} beeps of ${flashes[coming]} flashes`);
    assert.ok(
      skews.every((skew) => Math.abs(skew) <= LIMIT_MS),
      `${name}: ${skews}`,
    );
  }
  // It says so of tracks alone that it plays by one clock. How near it comes to it is a matter of the machine.
  if (isLive) assert.ok(lateMs.flat().length > 0, `${name}: pictures and sound are not played by one clock`);
}

function tell(players: readonly Player[], leftOut: number): void {
  process.stdout.write(`      the publisher left ${leftOut} pictures out\n`);
  for (const player of players) process.stdout.write(`      ${describeFound(player, judge(player.seen))}\n`);
}

function describeFound({ name }: Player, found: Judgement): string {
  const { pictures, missing, backwards, resumedAt, flashes, skewsMs, lateMs } = found;
  const places = backwards
    .map(({ from, to, afterMs, isOwn }) => `${from} to ${to} after ${afterMs} ms${isOwn ? ", its own" : ""}`)
    .join(", ");
  const back = `${backwards.length} back${places && ` (${places})`}`;
  const told = `${name}: ${pictures} pictures, ${missing} left out, ${back}, again from ${resumedAt}`;
  const played = lateMs.flat().length === 0 ? "" : `, sound played late by ${describeRanges(lateMs)}`;
  return `${told}, ${flashes.join(" and ")} flashes, beeps ${describeRanges(skewsMs)}${played}`;
}

function describeRanges(ofComings: readonly (readonly number[])[]): string {
  return ofComings.map((all) => `${Math.min(...all)} to ${Math.max(...all)} ms (${all.length})`).join(", then ");
}
