import { setTimeout as sleep } from "node:timers/promises";
import { WebrtcClient } from "../../../test/support/webrtc-client.ts";
import { WhepViewer } from "../../../test/support/whep-viewer.ts";
import { type CrowdFigures, HlsCrowd } from "./hls-crowd.ts";
import { connectWhep } from "./whep-connection.ts";

/** Viewers of one stream by one way, as a process of their own. Argument: JSON of `CrowdArguments`; told "read" and "stop". */
export interface CrowdArguments {
  readonly way: "hls" | "whep";
  readonly url: string;
  readonly viewers: number;
}

/** Pictures of each WHEP viewer since the last look. */
export type CrowdAnswer = { readonly hls: CrowdFigures } | { readonly pictures: readonly number[] };

interface Crowd {
  read(): CrowdAnswer;
  leave(): Promise<void>;
}

/** Viewers come one after the other, as they do. */
const JOIN_EVERY_MS = 20;
const given = JSON.parse(process.argv[2]!) as CrowdArguments;
const crowd = await (given.way === "hls" ? joinHls() : joinWhep());
process.on("message", (message) => {
  if (message === "read") process.send!(crowd.read());
  else void crowd.leave().then(() => process.exit());
});
process.on("disconnect", () => process.exit());
process.send!("ready");

async function joinHls(): Promise<Crowd> {
  const viewers = new HlsCrowd(given.url);
  for (let at = 0; at < given.viewers; at += 1) {
    await viewers.join();
    await sleep(JOIN_EVERY_MS);
  }
  return { read: () => ({ hls: viewers.read() }), leave: () => viewers.leave() };
}

async function joinWhep(): Promise<Crowd> {
  const viewers: WhepViewer[] = [];
  let before: readonly number[] = [];
  for (let at = 0; at < given.viewers; at += 1) viewers.push(await watch());
  return {
    read() {
      const now = viewers.map(({ pictures }) => pictures.length);
      const pictures = now.map((count, at) => count - (before[at] ?? 0));
      before = now;
      return { pictures };
    },
    async leave() {
      for (const { client } of viewers) client.close();
    },
  };
}

async function watch(): Promise<WhepViewer> {
  const client = new WebrtcClient("RecvOnly");
  const viewer = new WhepViewer(client, "h264");
  await connectWhep(client, given.url);
  return viewer;
}
