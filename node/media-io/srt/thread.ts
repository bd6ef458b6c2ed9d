import { parentPort, workerData } from "node:worker_threads";
import { loadSrt, type SrtLibrary } from "./library.ts";
import { SrtListener } from "./listener.ts";
import type { FromSrtThread, SrtThreadData, ToSrtThread } from "./messages.ts";

/** The thread that holds libsrt: its hook is answered here at once, however busy the node's own thread is. */

const port = parentPort!;
const data = workerData as SrtThreadData;
const send = (message: FromSrtThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

function load(): SrtLibrary | undefined {
  try {
    return loadSrt(data.libraries);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0]! : "";
    send({ type: "failed", why: "library", reason });
    return undefined;
  }
}

async function stop(): Promise<void> {
  await listener?.stop();
  port.close();
}

// A thread that ends with libsrt still listening would leave it a hook that leads nowhere: the process would end too.
process.once("uncaughtException", (error) => {
  send({ type: "crashed", reason: error.stack ?? error.message });
  void stop();
});
const library = load();
const listener = library && new SrtListener(library, data, send);
port.on("message", (message: ToSrtThread) => {
  if (message.type === "stop") void stop();
  else listener?.handle(message);
});
if (listener === undefined || !listener.start()) void stop();
