import type { Address } from "@leat/sdk/protocol/hex.ts";
import { BoundedQueue } from "../../kernel/bounded-queue.ts";
import { WireError } from "../errors.ts";
import { mediaProtocolOptions } from "./connection.ts";
import type { MediaConnection, MediaMessage } from "./message.ts";

/**
 * Both ends of a media stream of a node with itself: a node that takes a stream in may serve it to viewers too, and a
 * host cannot dial its own address. Bounds and endings are those of a stream between hosts.
 */
export function createLoopback(self: Address): readonly [MediaConnection, MediaConnection] {
  const there = createQueue();
  const back = createQueue();
  const over = Promise.withResolvers<Error | undefined>();
  const end = (error: Error | undefined) => {
    for (const queue of [there, back]) {
      if (error === undefined) queue.close();
      else queue.fail(error);
    }
    over.resolve(error);
  };
  const makeEnd = (outgoing: BoundedQueue<MediaMessage>, incoming: BoundedQueue<MediaMessage>): MediaConnection => {
    const next = async (): Promise<IteratorResult<MediaMessage, undefined>> => {
      const value = await incoming.take();
      return value === undefined ? { done: true, value: undefined } : { done: false, value };
    };
    return {
      remoteAddress: self,
      messages: { [Symbol.asyncIterator]: () => ({ next }) },
      ended: over.promise,
      async send(message) {
        try {
          await outgoing.push(message);
        } catch (cause) {
          throw new WireError({ code: "WIRE_STREAM_CLOSED" }, { cause });
        }
      },
      async close() {
        end(undefined);
        // A goodbye drops what still comes to us; what we sent is read by the other end.
        incoming.clear();
      },
      abort: end,
    };
  };
  return [makeEnd(there, back), makeEnd(back, there)];
}

function createQueue(): BoundedQueue<MediaMessage> {
  const { maxQueuedBytes, maxQueuedMessages } = mediaProtocolOptions.limits;
  return new BoundedQueue({
    maxItems: maxQueuedMessages,
    maxBytes: maxQueuedBytes,
    sizeOf: (message) => (message.type === "frame" ? message.frame.data.byteLength : 0),
    overflow: "refuse",
  });
}
