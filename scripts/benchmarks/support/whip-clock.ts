import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { CLOCK_RANGE_MS, clockPicture } from "./picture-clock.ts";

const barcode = join(import.meta.dirname, "../../../transcoder/tools/barcode.ts");

/** Publishes the clock by WHIP out of Chromium until its page is closed: each picture is painted and captured at once. */
export async function publishClockByWhip(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  const painter = stripTypeScriptTypes(await readFile(barcode, "utf8"));
  await page.addScriptTag({ type: "module", content: `${painter}\nwindow.paintBarcode = paintBarcode;` });
  await page.waitForFunction(() => "paintBarcode" in window);
  await page.evaluate(
    async ({ url, width, height, fps, rangeMs }) => {
      type Paint = (luma: Uint8Array, stride: number, width: number, height: number, value: number) => void;
      const { paintBarcode } = window as unknown as { paintBarcode: Paint };
      const canvas = document.body.appendChild(document.createElement("canvas"));
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d")!;
      const image = context.createImageData(width, height);
      const pixels = new Uint32Array(image.data.buffer);
      const luma = new Uint8Array(width * height);
      const stream = canvas.captureStream(0);
      const track = stream.getVideoTracks()[0] as CanvasCaptureMediaStreamTrack;
      let number = 0;
      const paint = () => {
        for (let y = 0; y < height; y += 1) luma.fill((y + 3 * number) & 255, y * width, (y + 1) * width);
        paintBarcode(luma, width, width, height, Date.now() % rangeMs);
        for (let at = 0; at < luma.length; at += 1) pixels[at] = 0xff000000 | (luma[at]! * 0x010101);
        context.putImageData(image, 0, 0);
        track.requestFrame();
        number += 1;
      };
      paint();
      setInterval(paint, 1_000 / fps);
      const peer = new RTCPeerConnection();
      peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      await peer.setLocalDescription();
      const headers = { "content-type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: peer.localDescription!.sdp });
      if (response.status !== 201) throw new Error(await response.text());
      await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    },
    { url, ...clockPicture, rangeMs: CLOCK_RANGE_MS },
  );
  return page;
}
