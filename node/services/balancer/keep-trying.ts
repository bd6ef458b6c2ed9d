import type { Clock } from "../../kernel/clock.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";

/** Resolves after the first try. Where that did not do, it goes on by itself after pauses, until one does. */
export async function keepTrying(
  { clock, tasks, pauseMs }: { readonly clock: Clock; readonly tasks: TaskGroup; readonly pauseMs: number },
  tryOnce: () => Promise<boolean>,
): Promise<void> {
  if ((await tryOnce()) || tasks.signal.aborted) return;
  tasks.run(async (signal) => {
    do await clock.sleep(pauseMs, signal);
    while (!(await tryOnce()));
  });
}
