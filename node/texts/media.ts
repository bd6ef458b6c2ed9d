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
  LADDER_SOURCE_INVALID: { happened: "a picture of {width}x{height} has no ladder", todo: anotherFile },
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
  TRANSCODE_ENGINE_UNKNOWN: { happened: "there is no engine {engine}", todo: "name node-av or ffmpeg" },
  TRANSCODE_ENGINE_MISSING: {
    happened: "the engine {engine} does not load here",
    todo: "install it: {install}",
  },
  PUBLISH_URL_INVALID: { happened: "{url} is no address to publish to", todo: "give rtmp://HOST/APP/KEY" },
  PUBLISH_UNREACHABLE: { happened: "{host} does not answer: {reason}", todo: "look whether its ingest node runs" },
  PUBLISH_REFUSED: { happened: "the server refused ({status}): {description}", todo: "look at the stream key" },
  PUBLISH_LOST: { happened: "the connection was lost: {reason}", todo: "publish again: the stream goes on" },
  PUBLISH_INPUT_FAILED: { happened: "it cannot be published: {cause|error}" },
  CLI_INSPECT_ADDRESS_INVALID: { todo: "give the address of a master playlist" },
  CLI_INSPECT_FILE_TOO_LARGE: { happened: "{url} is larger than any playlist", todo: "give the address of a playlist" },
} satisfies ErrorTexts;
