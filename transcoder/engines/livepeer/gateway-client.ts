import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import type { GatewaySettings } from "../../engine.ts";
import { isCoded, TranscodeError } from "../../errors.ts";
import { type MultipartPart, readMultipart } from "./multipart-reader.ts";

/** One segment and what is wanted of it, as the HTTP push API of go-livepeer takes it. */
export interface GatewaySegment {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly durationMs: number;
  readonly width: number;
  readonly height: number;
  /** The value of `Livepeer-Transcode-Configuration`. */
  readonly configuration: string;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly maxParts: number;
}

/** A gateway finds another orchestrator, or the network another way. */
const RETRY_PAUSE_MS = 250;
/** What a gateway says where it failed itself, or found nobody: the same segment may be sent again under its number. */
const PASSING: readonly number[] = [408, 425, 429, 500, 502, 503, 504];
/** Of one rendition: 4 s of 60 Mb/s. */
const MAX_PART_BYTES = 32 * 1024 * 1024;
const MAX_REASON_BYTES = 512;
/** What another attempt may help. */
const passingCodes: readonly string[] = ["TRANSCODE_GATEWAY_UNREACHABLE", "TRANSCODE_GATEWAY_ANSWER_CUT"];

/** Pushes segments of one stream to a gateway, each until it is answered or its time is over. */
export class GatewayClient {
  readonly #settings: GatewaySettings;
  readonly #name: string;
  readonly #closed = new AbortController();

  /** `name`: the gateway keeps what is asked for with the first segment of a name for all that follow. */
  constructor(settings: GatewaySettings, name: string) {
    this.#settings = settings;
    this.#name = name;
  }

  /**
   * The renditions' parts, in the order in which they were asked for.
   * @throws TRANSCODE_GATEWAY_UNREACHABLE, _SLOW, _REFUSED, _REDIRECTED, _ANSWER_INVALID, _ANSWER_CUT, _ANSWER_TOO_LARGE
   */
  async push(segment: GatewaySegment): Promise<MultipartPart[]> {
    const { timeoutMs } = this.#settings;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([late, this.#closed.signal]);
    let last: TranscodeError | undefined;
    while (!signal.aborted) {
      try {
        return await this.#attempt(segment, signal);
      } catch (error) {
        if (!isCoded(error)) throw error;
        if (signal.aborted) break;
        if (!mayPass(error)) throw error;
        last = error;
      }
      await pause(RETRY_PAUSE_MS, undefined, { signal }).catch(() => {});
    }
    // Where it failed all the time, why says more than that the time is over.
    throw last ?? new TranscodeError({ code: "TRANSCODE_GATEWAY_SLOW", timeoutMs });
  }

  close(): void {
    this.#closed.abort();
  }

  async #attempt(segment: GatewaySegment, signal: AbortSignal): Promise<MultipartPart[]> {
    const answer = await this.#send(segment, signal);
    try {
      const { statusCode: status = 0 } = answer;
      if (status >= 300 && status < 400) throw new TranscodeError({ code: "TRANSCODE_GATEWAY_REDIRECTED", status });
      if (status !== 200) {
        throw new TranscodeError({ code: "TRANSCODE_GATEWAY_REFUSED", status, reason: await readReason(answer) });
      }
      const limits = { maxParts: segment.maxParts, maxPartBytes: MAX_PART_BYTES };
      return await readMultipart(answer.headers["content-type"], answer, limits);
    } catch (error) {
      if (isCoded(error)) throw error;
      throw new TranscodeError({ code: "TRANSCODE_GATEWAY_ANSWER_CUT" }, { cause: error });
    } finally {
      answer.destroy();
    }
  }

  #send(segment: GatewaySegment, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(`${this.#settings.url.replace(/\/+$/, "")}/live/${this.#name}/${segment.number}.ts`);
    const send = url.protocol === "https:" ? requestTls : requestPlain;
    const headers = {
      Accept: "multipart/mixed",
      "Content-Type": "video/mp2t",
      "Content-Length": segment.bytes.byteLength,
      "Content-Duration": segment.durationMs,
      "Content-Resolution": `${segment.width}x${segment.height}`,
      "Livepeer-Transcode-Configuration": segment.configuration,
      ...(segment.fromMs === undefined ? {} : { "Content-Slice-From": segment.fromMs }),
      ...(segment.toMs === undefined ? {} : { "Content-Slice-To": segment.toMs }),
    };
    return new Promise((resolve, reject) => {
      // A connection for each: one that the gateway closed meanwhile would look like a gateway that is gone.
      const request = send(url, { method: "PUT", agent: false, headers, signal }, resolve);
      request.on("error", (cause: NodeJS.ErrnoException) => {
        reject(
          new TranscodeError({ code: "TRANSCODE_GATEWAY_UNREACHABLE", reason: cause.code ?? cause.name }, { cause }),
        );
      });
      request.end(segment.bytes);
    });
  }
}

function mayPass({ detail }: TranscodeError): boolean {
  if (detail.code === "TRANSCODE_GATEWAY_REFUSED") return PASSING.includes(detail.status);
  return passingCodes.includes(detail.code);
}

/** The beginning of what a gateway says of a refusal, for the operator's log. */
async function readReason(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    if (text.length >= MAX_REASON_BYTES) break;
  }
  return text
    .slice(0, MAX_REASON_BYTES)
    .replace(/[^\x21-\x7e]+/g, " ")
    .trim();
}
