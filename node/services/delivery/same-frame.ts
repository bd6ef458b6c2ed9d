import type { FrameMessage } from "@leat/node/wire/media/message.ts";

/** Whether two holders mean the same frame. When a frame came to the origin is in no part. */
export function isSameFrame(left: FrameMessage, right: FrameMessage): boolean {
  const { data, tags = [], arrivalMs: _, ...facts } = left.frame;
  const other: Partial<FrameMessage["frame"]> = right.frame;
  const hasSameFacts = Object.entries(facts).every(([name, value]) => other[name as keyof typeof facts] === value);
  const theirs = right.frame.tags ?? [];
  const haveSameTags =
    tags.length === theirs.length &&
    tags.every(({ pts, tag }, at) => theirs[at]?.pts === pts && Buffer.compare(tag, theirs[at].tag) === 0);
  return hasSameFacts && haveSameTags && Buffer.compare(data, right.frame.data) === 0;
}
