import { getPlayback, WatchError } from "../../../sdk/client/actions/watch.ts";
import { type PlayerState, type PlayerStatus, StreamPlayer } from "../../../sdk/player/core.ts";

const familyNames: Readonly<Record<string, string>> = { h264: "H.264", hevc: "HEVC", vp9: "VP9", av1: "AV1" };
const notices: Readonly<Record<PlayerState, string>> = {
  loading: "Loading the stream…",
  waiting: "Not on air yet. This page starts by itself when it is.",
  playing: "",
  ended: "The stream has ended.",
  failed: "This browser cannot play the stream.",
};

const slug = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
element("stream").textContent = slug;
const token = new URLSearchParams(location.search).get("token") ?? undefined;
const player = new StreamPlayer(element("video") as HTMLVideoElement, {
  findSource: () => getPlayback({ clusterUrl: "" }, slug, token).catch(noneIfOver),
  onStatus: show,
});
window.addEventListener("pagehide", () => player.stop());
await player.start();

function show(status: PlayerStatus): void {
  const notice = element("notice");
  notice.textContent = notices[status.state];
  notice.hidden = status.state === "playing";
  element("edge").textContent = status.edge === 0 ? "primary" : "fallback";
  element("height").textContent = status.height === undefined ? "–" : `${status.height}p`;
  element("switches").textContent = String(status.switches);
  element("families").replaceChildren(...status.families.map((family) => familyButton(family, status.family)));
  document.body.dataset.state = status.state;
  document.body.dataset.family = status.family ?? "";
}

function noneIfOver(error: unknown): undefined {
  const isOver = error instanceof WatchError && error.detail.code === "WATCH_NOWHERE" && error.detail.state === "ended";
  if (!isOver) throw error;
}

function familyButton(family: string, chosen: string | undefined): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = familyNames[family] ?? family;
  button.dataset.family = family;
  button.setAttribute("aria-pressed", String(family === chosen));
  button.addEventListener("click", () => player.setFamily(family));
  return button;
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page lacks #${id}`);
  return found;
}
