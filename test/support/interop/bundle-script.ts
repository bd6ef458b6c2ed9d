import { build } from "vite";
import { players } from "./browser-page.ts";

/** A library of modules as one script, that a page loads as it is; what it exports stands under `name` there. */
export async function bundleScript(entry: string, name: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: players,
    build: { write: false, minify: false, lib: { entry, formats: ["iife"], name } },
  });
  const [bundle] = [built].flat();
  if (bundle === undefined || !("output" in bundle)) throw new Error(`nothing came of ${entry}`);
  return bundle.output[0].code;
}
