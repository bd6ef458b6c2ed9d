import { type PageWay, pageWays } from "./browser-publishers.ts";
import { ways } from "./publishers.ts";

const everyWay: readonly PageWay[] = [...ways, ...pageWays];
/** One that comes by a stream of bytes, and one that comes by packets, out of a browser. */
const usual = new Set(["ffmpeg by RTMP", "Chromium by WHIP"]);

export const usualWays = everyWay.filter(({ name }) => usual.has(name));
/** All others: they take ten minutes. */
export const longWays = everyWay.filter(({ name }) => !usual.has(name));
