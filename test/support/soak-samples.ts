import type { NodeSample } from "../../scripts/benchmarks/support/soak/node-samples.ts";

/** Every five seconds, ten minutes, of a node that holds what is said and nothing else. */
export function soakSamples(figuresAt: (atS: number) => Partial<NodeSample>): NodeSample[] {
  return Array.from({ length: 120 }, (_, at) => {
    const level = { heldMb: 0, residentMb: 0, nativeMb: 0, descriptors: 0, processes: 1 };
    return { atS: at * 5, ...level, ...figuresAt(at * 5) };
  });
}
