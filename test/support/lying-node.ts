import { parseArgs } from "node:util";
import { createNode } from "../../node/app/node.ts";
import { honestWorkmanship, type Workmanship } from "../../node/app/operator.ts";
import { loadNodeConfig } from "../../node/config/load-node-config.ts";
import { type PackedSegment, packSegment } from "../../node/services/jobs/packed-segment.ts";
import type { LiveSpec } from "../../transcoder/engine.ts";
import { type LiveTranscode, type LiveTranscodeEvents, startLiveTranscode } from "../../transcoder/supervisor.ts";
import type { Lie } from "./lies.ts";

// What `leat start` does, with work that is not what it is said to be. Arguments: the lie, then --config FILE.
const { values, positionals } = parseArgs({ options: { config: { type: "string" } }, allowPositionals: true });
const config = loadNodeConfig({ argv: [], env: {}, file: values.config });
const node = await createNode(config.values, { ...honestWorkmanship, ...lieOf(positionals[0] as Lie) });
process.once("SIGTERM", () => void node.stop());
await node.start();
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

function lieOf(lie: Lie): Partial<Workmanship> {
  switch (lie) {
    case "none":
      return {};
    case "altered-parts":
      // A probe fetches one part a segment: with one wrong byte in each of them the first probe must find it.
      return { keepPart: ({ bytes }) => bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte)) };
    case "wrong-size":
      return { startTranscode: (spec, events) => startLiveTranscode(shrink(spec), events) };
    case "few-frames":
      return { startTranscode: dropFrames };
    case "other-bytes":
      return { packTranscoded: (segment) => alter(packSegment(segment)) };
  }
}

function shrink(spec: LiveSpec): LiveSpec {
  const rungs = spec.rungs.map((rung) => ({ ...rung, width: rung.width - 16, height: rung.height - 16 }));
  return { ...spec, rungs };
}

function dropFrames(spec: LiveSpec, events: LiveTranscodeEvents): LiveTranscode {
  let frames = 0;
  return startLiveTranscode(spec, {
    ...events,
    frame: (index, sequence, frame) => {
      frames += 1;
      if (frames % 20 !== 0) events.frame(index, sequence, frame);
    },
  });
}

/** Signs another hash for the last part than its bytes have. */
function alter(segment: PackedSegment): PackedSegment {
  const last = segment.parts.at(-1);
  if (segment.rung === 0 || last === undefined) return segment;
  const sha256 = last.sha256.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
  return { ...segment, parts: [...segment.parts.slice(0, -1), { ...last, sha256 }] };
}
