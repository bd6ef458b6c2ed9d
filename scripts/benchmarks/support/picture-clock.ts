import { BARCODE_NUMBER_LIMIT, readBarcode } from "@leat/transcoder/tools/barcode.ts";
import type { Page } from "playwright-core";

/** The source of every latency that is measured. */
export const clockPicture = { width: 640, height: 360, fps: 30 } as const;

/** The clock in the picture goes round after four and a half hours. */
export const CLOCK_RANGE_MS = BARCODE_NUMBER_LIMIT;

const sample = { width: 160, height: 90 } as const;

interface Shown {
  readonly atMs: number;
  /** Base64 of one byte a pixel. */
  readonly gray: string;
}

/**
 * How old the pictures are that a page's video shows, milliseconds: `count` pictures of one in `every`, each read from
 * a canvas in the moment it is presented. Pictures whose clock cannot be read are left out.
 */
export async function readLatencies(page: Page, count: number, every: number): Promise<number[]> {
  const shown = await page.evaluate(
    async ({ count, every, width, height }) => {
      const video = document.querySelector("video")!;
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d", { willReadFrequently: true })!;
      const taken: { atMs: number; gray: string }[] = [];
      for (let number = 0; taken.length < count; number += 1) {
        await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
        if (number % every !== 0) continue;
        const atMs = Date.now();
        context.drawImage(video, 0, 0, width, height);
        const { data } = context.getImageData(0, 0, width, height);
        let text = "";
        for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(data[at]!);
        taken.push({ atMs, gray: btoa(text) });
      }
      return taken;
    },
    { count, every, ...sample },
  );
  return shown.flatMap(readOne);
}

function readOne({ atMs, gray }: Shown): number[] {
  const madeMs = readBarcode(Buffer.from(gray, "base64"), sample.width, sample.height);
  return madeMs === undefined ? [] : [(atMs - madeMs + CLOCK_RANGE_MS) % CLOCK_RANGE_MS];
}

/** The value below which a share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
