import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { shape } from "./pattern.ts";

export const root = join(import.meta.dirname, "../../..");
/** Where the packages of others are brought to. */
export const playersFolder = join(root, "test/players");
export const players = join(playersFolder, "node_modules");
const barcode = join(root, "transcoder/tools/barcode.ts");

/** A page of its own at an address: sound is heard in pages of an origin alone. */
export async function openPage(browser: Browser, origin: string): Promise<Page> {
  // As large as the picture: what is drawn beside it costs time.
  const { width, height } = shape;
  const context = await browser.newContext({ bypassCSP: true, viewport: { width, height } });
  const page = await context.newPage();
  await page.goto(origin);
  return page;
}

/** Numbers can then be read there. */
export async function addBarcode(page: Page): Promise<void> {
  const code = stripTypeScriptTypes(await readFile(barcode, "utf8"));
  await page.addScriptTag({ type: "module", content: `${code}\nwindow.readBarcode = readBarcode;` });
  await page.waitForFunction(() => "readBarcode" in window);
}
