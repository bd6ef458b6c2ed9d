import type { WebrtcClient } from "../../../test/support/webrtc-client.ts";

/** Resolves when packets can go both ways; rejects where the address refuses. */
export async function connectWhep(client: WebrtcClient, url: string): Promise<void> {
  // An edge that knows our addresses connects before its answer is here: on a busy machine the library has lost its own
  // transport by the time that it reads the answer. It finds us by our checks instead.
  const { bare } = await client.offer();
  const headers = { "content-type": "application/sdp" };
  const answer = await fetch(url, { method: "POST", headers, body: bare });
  if (answer.status !== 201) throw new Error(`WHEP was answered with ${answer.status} ${await answer.text()}`);
  client.answer(await answer.text());
  await client.open;
}
