import { readFile } from "node:fs/promises";
import { parseLadder } from "@leat/transcoder/ladder.ts";
import { transcodeFile } from "@leat/transcoder/stored.ts";

/** One transcode as a process of its own, so that all it costs can be counted. */
const [input = "", ladderFile = "", outDir = ""] = process.argv.slice(2);
await transcodeFile({ input, ladder: parseLadder(JSON.parse(await readFile(ladderFile, "utf8"))), outDir });
