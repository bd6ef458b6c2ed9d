import type { Socket } from "node:net";

/** What a socket reads by; of Node's inside, and the same for one of TLS. */
interface ReadHandle {
  reading: boolean;
  readStart(): void;
  readStop(): void;
}

/** Reads nothing of a socket until the turn comes, or the signal aborts. What comes stays in the system, and wakes nobody. */
export async function holdReading(socket: Socket, turn: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const goOn = stopReading(socket);
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const leave = () => resolve();
  signal.addEventListener("abort", leave, { once: true });
  await Promise.race([turn, aborted]);
  signal.removeEventListener("abort", leave);
  goOn();
}

/**
 * A socket has no public way to do so: `pause` lets it read once more, and so wake for one more packet. Where Node's inside
 * is another one, it reads on.
 */
function stopReading(socket: Socket): () => void {
  const { _handle: handle } = socket as { readonly _handle?: ReadHandle | null };
  if (handle?.readStop === undefined || !handle.reading) return () => {};
  handle.readStop();
  handle.reading = false;
  return () => {
    if (socket.destroyed || handle.reading) return;
    handle.reading = true;
    handle.readStart();
  };
}
