import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Lets go at once of all that nobody holds. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** What this process cannot let go of: JavaScript's heap and the buffers beside it. */
export function measureHeldBytes(): number {
  collectGarbage();
  // Buffers of the first go on a thread beside: a second one waits for it.
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
