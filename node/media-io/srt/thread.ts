import { parentPort, workerData } from "node:worker_threads";
import { SrtDialer } from "./dialer.ts";
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

function isOfDialer(message: ToSrtThread): message is Parameters<SrtDialer["handle"]>[0] {
  return message.type.startsWith("dial");
}

async function stop(): Promise<void> {
  await dialer?.stop();
  await listener?.stop();
  port.close();
}

// A thread that ends with libsrt still listening would leave it a hook that leads nowhere: the process would end too.
process.once("uncaughtException", (error) => {
  send({ type: "crashed", reason: error.stack ?? error.message });
  void stop();
});
const library = load();
const dialer = library && new SrtDialer(library, send);
const listener = library && new SrtListener(library, data, send);
port.on("message", (message: ToSrtThread) => {
  if (message.type === "stop") void stop();
  else if (isOfDialer(message)) dialer?.handle(message);
  else listener?.handle(message);
});
if (listener === undefined || !listener.start()) void stop();
