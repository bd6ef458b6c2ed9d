import type { Address } from "@leat/sdk/protocol/hex.ts";
import { MAX_MEDIA_MESSAGE_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { FramedStream } from "../framing.ts";
import { defaultFramingLimits } from "../framing-limits.ts";
import type { ProtocolOptions } from "../host.ts";
import type { PeerScores } from "../peer-scores.ts";
import { decodeMediaMessage, encodeMediaMessage } from "./codec.ts";
import type { MediaConnection, MediaMessage } from "./message.ts";

/** A peer that sends what is no media message is no accident: two such and it is kept out for a while. */
const BAD_MESSAGE_POINTS = 6;

export const mediaProtocolOptions: ProtocolOptions = {
  limits: {
    ...defaultFramingLimits,
    maxMessageBytes: MAX_MEDIA_MESSAGE_BYTES,
    // A second of a 30 Mb/s source; beyond it the sender waits.
    maxQueuedBytes: 4_194_304,
    maxQueuedMessages: 1_024,
  },
  // An edge serves hundreds of streams of one origin, each its own subscription.
  maxStreams: 512,
};

export class FramedMediaConnection implements MediaConnection {
  readonly remoteAddress: Address;
  readonly messages: AsyncIterable<MediaMessage>;
  readonly ended: Promise<Error | undefined>;
  readonly #stream: FramedStream;

  constructor(stream: FramedStream, scores: PeerScores) {
    this.#stream = stream;
    this.remoteAddress = stream.remoteAddress;
    this.ended = stream.ended;
    const incoming = stream.messages[Symbol.asyncIterator]();
    const next = async (): Promise<IteratorResult<MediaMessage, undefined>> => {
      const result = await incoming.next();
      if (result.done === true) return { done: true, value: undefined };
      try {
        return { done: false, value: decodeMediaMessage(result.value) };
      } catch (error) {
        stream.abort(error as Error);
        scores.add(this.remoteAddress, BAD_MESSAGE_POINTS);
        throw error;
      }
    };
    this.messages = { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async send(message: MediaMessage): Promise<void> {
    await this.#stream.send(encodeMediaMessage(message));
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  abort(error: Error): void {
    this.#stream.abort(error);
  }
}
