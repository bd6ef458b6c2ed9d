import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";

/** Asks whether a viewer may still watch, and cuts it off where it may not. */
export function askAgain(mayWatch: () => Promise<void>, viewer: { cut(): void }, logger: Logger): void {
  mayWatch().catch((error: unknown) => {
    if (isCodedError(error)) logger.debug("Viewer may watch no more", { code: error.code });
    else logger.error("Ask about MP4 viewer failed", { error });
    viewer.cut();
  });
}
