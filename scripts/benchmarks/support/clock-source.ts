import { once } from "node:events";
import { paintBarcode } from "@leat/transcoder/tools/barcode.ts";
import { CLOCK_RANGE_MS, clockPicture } from "./picture-clock.ts";

// Writes raw pictures (yuv420p) to the standard output in real time, each with the wall clock of its making across its
// top and bars that move below, so that an encoder has something to do.
const { width, height, fps } = clockPicture;
const luma = width * height;
const picture = Buffer.alloc((luma * 3) / 2, 128);
process.stdout.on("error", () => process.exit());
const startedAt = performance.now();
for (let number = 0; ; number += 1) {
  for (let y = 0; y < height; y += 1) picture.fill((y + 3 * number) & 255, y * width, (y + 1) * width);
  paintBarcode(picture, width, width, height, Date.now() % CLOCK_RANGE_MS);
  if (!process.stdout.write(picture)) await once(process.stdout, "drain");
  const dueAt = startedAt + ((number + 1) * 1_000) / fps;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())));
}
