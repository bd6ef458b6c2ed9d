import { CodedError } from "@leat/sdk/base/errors.ts";

export class InterruptError extends CodedError<{ code: "CLI_INTERRUPTED" }> {}

/** Runs `work` with a signal that aborts, with a coded reason, at Ctrl-C or when the process is told to end. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    controller.abort(new InterruptError({ code: "CLI_INTERRUPTED" }, { message: "stopped before the end" }));
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
