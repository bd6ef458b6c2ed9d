import type { Socket } from "node:net";
import { setImmediate as loopTurn } from "node:timers/promises";

/** What a socket reads by; of Node's inside, and the same for one of TLS. */
interface ReadHandle {
  reading: boolean;
  readStart(): void;
  readStop(): void;
}

/**
 * Once all that came is taken, reads nothing of a socket until its turn, or until the signal aborts: what comes meanwhile
 * stays in the system, and wakes nobody.
 * @param turn Asked for when reading stops.
 */
export async function holdReading(socket: Socket, turn: () => Promise<void>, signal: AbortSignal): Promise<void> {
  // TLS gives what it reads at once in several pieces, and the stream asks for more behind each of them.
  await loopTurn();
  if (signal.aborted || socket.readableLength > 0) return;
  const goOn = stopReading(socket);
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const leave = () => resolve();
  signal.addEventListener("abort", leave, { once: true });
  await Promise.race([turn(), aborted]);
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
