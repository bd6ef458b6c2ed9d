import { httpOptions } from "../http/options.ts";
import { logOptions } from "../kernel/logger.ts";
import { loadOptions } from "../kernel/process-load.ts";

/** Every setting of the program: the fragments of its parts, by section. */
export const sections = {
  log: logOptions,
  load: loadOptions,
  http: httpOptions,
};

export type NodeSections = typeof sections;
