import type { Page } from "playwright-core";

/**
 * Plays a stream by WHEP in the page's one video.
 * @param tap A worker's script, through whose `onrtctransform` the sound goes before it is decoded. Its worker stands in
 *   the page as `tap`.
 */
export async function playWhep(page: Page, url: string, tap?: string): Promise<void> {
  const given = [url, tap] as const;
  await page.evaluate(async ([address, script]) => {
    const peer = new RTCPeerConnection();
    const video = document.querySelector("video") ?? document.body.appendChild(document.createElement("video"));
    Object.assign(video, { muted: true, autoplay: true, srcObject: new MediaStream() });
    peer.ontrack = ({ track }) => (video.srcObject as MediaStream).addTrack(track);
    peer.addTransceiver("video", { direction: "recvonly" });
    const { receiver } = peer.addTransceiver("audio", { direction: "recvonly" });
    if (script !== undefined) {
      const tap = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
      // Before there is an offer: what is set once the answer is there is passed by.
      Object.assign(receiver, { transform: new RTCRtpScriptTransform(tap) });
      Object.assign(window, { tap });
    }
    await peer.setLocalDescription();
    const headers = { "content-type": "application/sdp" };
    const response = await fetch(address, { method: "POST", headers, body: peer.localDescription!.sdp });
    const sdp = await response.text();
    if (response.status !== 201) throw new Error(`${response.status} ${sdp}`);
    await peer.setRemoteDescription({ type: "answer", sdp });
    Object.assign(window, { peer });
  }, given);
}

/** What a server says to an offer: where the session is, or why there is none. */
export type Answered =
  | { readonly session: string }
  | { readonly session: undefined; readonly status: number; readonly reason: string };

/**
 * Publishes the browser's camera and microphone by WHIP; gives the session's address.
 * @param only The one codec that the browser offers for pictures, as `video/VP8`; undefined: all that it has.
 */
export async function publishWhip(page: Page, url: string, only?: string): Promise<string> {
  await page.evaluate(async () => {
    const wanted = { video: { width: 640, height: 360 }, audio: true };
    Object.assign(window, { media: await navigator.mediaDevices.getUserMedia(wanted) });
  });
  const answered = await publishMedia(page, url, only);
  if (answered.session === undefined) throw new Error(`${answered.status} ${answered.reason}`);
  return answered.session;
}

/** Publishes what the page calls `media` by WHIP, candidates after the offer. */
export function publishMedia(page: Page, url: string, only?: string): Promise<Answered> {
  const given = [url, only] as const;
  return page.evaluate(async ([address, codec]) => {
    const { media } = window as unknown as { media: MediaStream };
    const peer = new RTCPeerConnection();
    const candidates: string[] = [];
    const gathered = new Promise<void>((resolve) => {
      peer.onicecandidate = ({ candidate }) => {
        if (candidate === null) resolve();
        else if (candidate.candidate !== "") candidates.push(`a=${candidate.candidate}`);
      };
    });
    for (const track of media.getTracks()) {
      const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [media] });
      if (codec === undefined || track.kind !== "video") continue;
      const { codecs } = RTCRtpSender.getCapabilities("video")!;
      transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === codec));
    }
    const offer = await peer.createOffer();
    const response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/sdp" },
      body: offer.sdp!,
    });
    const sdp = await response.text();
    if (response.status !== 201) {
      peer.close();
      return { session: undefined, status: response.status, reason: sdp };
    }
    const session = new URL(response.headers.get("location")!, address).href;
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: "answer", sdp });
    await gathered;
    const own = offer.sdp!.split("\r\n").filter((line) => /^a=ice-(ufrag|pwd):/.test(line));
    const fragment = [...own.slice(0, 2), "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", ...candidates, ""].join("\r\n");
    const type = "application/trickle-ice-sdpfrag";
    const headers = { "content-type": type, "if-match": response.headers.get("etag")! };
    const patched = await fetch(session, { method: "PATCH", headers, body: fragment });
    if (patched.status !== 204) throw new Error(`${patched.status} ${await patched.text()}`);
    Object.assign(window, { peer });
    return { session };
  }, given);
}
