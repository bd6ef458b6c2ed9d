import { findAll, startOf } from "../syntax-tree.ts";
import { type Detector, findingAt } from "./finding.ts";

/** `unchecked` and assembly without a comment above that says why they are safe. */
export const findUnexplained: Detector = (program, isOurs) =>
  program.files
    .filter(({ path }) => isOurs(path))
    .flatMap(({ tree, bytes }) =>
      findAll(tree, "UncheckedBlock", "InlineAssembly")
        .filter(
          (node) =>
            !/\/\/ Safe: [^\n]*(\n\s*\/\/[^\n]*)*\n\s*$/.test(bytes.subarray(0, startOf(node)).toString("utf8")),
        )
        .map((node) => findingAt(program, "unexplained", node)),
    );
