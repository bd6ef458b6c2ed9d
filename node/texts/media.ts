import type { ErrorTexts } from "./error-text.ts";

const anotherFile = "name a file that ffprobe can read";

/** Files, ladders, encoders and publishers. */
export const mediaTexts = {
  LADDER_FILE_UNREADABLE: { todo: "docs/examples/ladder.json is one that works" },
  PROBE_REPORT_UNWRITABLE: { todo: "name a file in a folder that you may write to" },
  LADDER_INVALID: { happened: "{at} of the ladder: {reason}", todo: "docs/examples/ladder.json is one that works" },
  LADDER_EMPTY: { happened: "the ladder has no rung", todo: "docs/examples/ladder.json is one that works" },
  LADDER_NAME_DUPLICATE: { happened: "two rungs are called {name}", todo: "give each a name of its own" },
  LADDER_CODEC_UNKNOWN: { happened: "the rung {name} wants the codec {codec}", todo: "name h264, hevc, vp9 or av1" },
  LADDER_CODEC_UNSOLD: {
    happened: "no node of this cluster encodes {codec} and has a price for it in this token",
    todo: "leave its rungs out, or ask again when a node that encodes it has joined",
  },
  STREAM_LADDER_MISSING: {
    happened: "{codec} is made into rungs only, and the stream has none",
    todo: "make a stream with a ladder, or publish H.264",
  },
  LADDER_SOURCE_INVALID: { happened: "a picture of {width}x{height} has no ladder", todo: anotherFile },
  LADDER_RUNGS_TOO_SMALL: {
    happened: "no rung of the ladder is as large as its encoder needs ({codecs}, of a picture of {width}x{height})",
    todo: "AV1 needs 64 lines and columns, HEVC 16: add a rung of H.264 or VP9, or a larger one",
  },
  TRANSCODE_INPUT_MISSING: { happened: "there is no file {input}", todo: "correct the path" },
  TRANSCODE_INPUT_NOT_A_FILE: { happened: "{input} is no file", todo: "name a file" },
  TRANSCODE_INPUT_EMPTY: { happened: "{input} is empty", todo: "name a file with something in it" },
  TRANSCODE_INPUT_UNREADABLE: { happened: "{input} cannot be read as video: {reason}", todo: anotherFile },
  TRANSCODE_INPUT_TRUNCATED: {
    happened: "{input} was cut off: {framesFound} of its {framesDeclared} pictures are there",
    todo: "copy it again",
  },
  TRANSCODE_INPUT_NO_VIDEO: { happened: "{input} has no video", todo: "name a file that has" },
  TRANSCODE_INPUT_NO_PICTURE: { happened: "no picture of {input} can be decoded", todo: anotherFile },
  TRANSCODE_OUTPUT_UNWRITABLE: { happened: "{path} cannot be written ({reason|file})", todo: "name another --out" },
  TRANSCODE_DISK_FULL: { happened: "the disk of {path} is full", todo: "make room, or name another --out" },
  TRANSCODE_ENCODER_MISSING: {
    happened: "{engine} cannot encode {codec} here",
    todo: "take the rung out, or name another engine",
  },
  TRANSCODE_ENCODER_FAILED: { happened: "the encoder of {codec} failed: {reason}", todo: "try another engine" },
  TRANSCODE_DECODER_MISSING: { happened: "{engine} cannot decode {codec} here", todo: "name another engine" },
  TRANSCODE_DECODER_FAILED: { happened: "the decoder of {codec} failed: {reason}", todo: anotherFile },
  TRANSCODE_BITSTREAM_INVALID: { happened: "the {codec} inside is broken: {reason}", todo: anotherFile },
  TRANSCODE_MESSAGE_INVALID: {
    happened: "the encoder's process said something that cannot be read: {reason}",
    todo: "start it again; all parts must be of one version",
  },
  TRANSCODE_PROGRAM_MISSING: { happened: "the program {program} is not installed", todo: "install it: {install}" },
  TRANSCODE_PROGRAM_FAILED: { happened: "{program} failed: {reason}", todo: anotherFile },
  TRANSCODE_WORKER_LOST: {
    happened: "the encoder's process ended (exit {exitCode}, signal {signal}): {lastWords}",
    todo: "look whether the machine ran out of memory, and begin again",
  },
  TRANSCODE_WORKER_STALLED: {
    happened: "the encoder's process did nothing for {limitMs} ms",
    todo: "look at the load of the machine, and begin again",
  },
  TRANSCODE_ENGINE_UNKNOWN: { happened: "there is no engine {engine}", todo: "name node-av, ffmpeg or livepeer" },
  TRANSCODE_ENGINE_MISSING: {
    happened: "the engine {engine} does not load here",
    todo: "install it: {install}",
  },
  TRANSCODE_GATEWAY_UNSET: {
    happened: "the engine livepeer has no gateway",
    todo: "give its address: transcoding.livepeer.url, or --gateway",
  },
  TRANSCODE_GATEWAY_UNREACHABLE: {
    happened: "the gateway does not answer: {reason}",
    todo: "look whether go-livepeer runs, and listens at the address that is set",
  },
  TRANSCODE_GATEWAY_SLOW: {
    happened: "the gateway did not answer a segment within {timeoutMs} ms",
    todo: "look at the load of its orchestrator",
  },
  TRANSCODE_GATEWAY_REFUSED: {
    happened: "the gateway refused a segment ({status}): {reason}",
    todo: "look at its log: 503 is no orchestrator, 404 that it takes no pushed segments",
  },
  TRANSCODE_GATEWAY_REDIRECTED: {
    happened: "the gateway sends elsewhere ({status})",
    todo: "name the address at which it answers itself",
  },
  TRANSCODE_GATEWAY_SEGMENT_TOO_LARGE: {
    happened: "a segment has more than {limitBytes} bytes since its last key frame",
    todo: "publish key frames every two seconds",
  },
  TRANSCODE_GATEWAY_ANSWER_INVALID: {
    happened: "the gateway's answer cannot be read: {reason}",
    todo: "look whether it is go-livepeer, without an object store",
  },
  TRANSCODE_GATEWAY_ANSWER_CUT: { happened: "the gateway's answer was cut off", todo: "look at its log" },
  TRANSCODE_GATEWAY_ANSWER_TOO_LARGE: {
    happened: "the gateway's answer is too large: more than {limit} {what}",
    todo: "look whether it is go-livepeer",
  },
  TRANSCODE_GATEWAY_RENDITIONS_WRONG: {
    happened: "the gateway was asked for {wanted} and gave {found}",
    todo: "look whether a webhook of the gateway names profiles of its own",
  },
  TRANSCODE_GATEWAY_MEDIA_INVALID: {
    happened: "the gateway's rendition {rendition} is no H.264 in a transport stream: {reason}",
    todo: "look at the log of its orchestrator",
  },
  TRANSCODE_GATEWAY_SIZE_WRONG: {
    happened: "the gateway's rendition {rendition} is {found}, {wanted} was asked for",
    todo: "look at the shape of the source: a gateway keeps it, and makes nothing smaller than 146x50",
  },
  TRANSCODE_GATEWAY_PICTURES_WRONG: {
    happened: "the gateway's rendition {rendition} has {found}, wanted {wanted}",
    todo: "look at the log of its orchestrator; a source with broken pictures needs another engine",
  },
  PUBLISH_URL_INVALID: { happened: "{url} is no address to publish to", todo: "give rtmp://HOST/APP/KEY" },
  PUBLISH_UNREACHABLE: { happened: "{host} does not answer: {reason}", todo: "look whether its ingest node runs" },
  PUBLISH_REFUSED: { happened: "the server refused ({status}): {description}", todo: "look at the stream key" },
  PUBLISH_LOST: { happened: "the connection was lost: {reason}", todo: "publish again: the stream goes on" },
  PUBLISH_INPUT_FAILED: { happened: "it cannot be published: {cause|error}" },
  CLI_INSPECT_ADDRESS_INVALID: { todo: "give the address of a master playlist" },
  CLI_INSPECT_FILE_TOO_LARGE: { happened: "{url} is larger than any playlist", todo: "give the address of a playlist" },
} satisfies ErrorTexts;
