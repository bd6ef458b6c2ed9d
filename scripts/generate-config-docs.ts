import { mkdir, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { renderConfigDocs } from "../node/config/describe-config.ts";
import { sections } from "../node/config/sections.ts";

const path = resolve(import.meta.dirname, "../docs/operations/configuration.md");
await mkdir(dirname(path), { recursive: true });
await writeFile(path, renderConfigDocs(sections));
