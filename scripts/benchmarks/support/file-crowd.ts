import { Agent, get } from "node:http";

/** Fetches files over and over, as a process of its own. Argument: JSON of `FileCrowdArguments`; says how many bytes came. */
export interface FileCrowdArguments {
  readonly urls: readonly string[];
  readonly connections: number;
  readonly durationMs: number;
}

const { urls, connections, durationMs } = JSON.parse(process.argv[2]!) as FileCrowdArguments;
const agent = new Agent({ keepAlive: true, maxSockets: connections });
let bytes = 0;
const untilMs = performance.now() + durationMs;
await Promise.all(Array.from({ length: connections }, (_, at) => fetchOn(at)));
agent.destroy();
process.send!(bytes);

async function fetchOn(first: number): Promise<void> {
  for (let at = first; performance.now() < untilMs; at += 1) await fetchOne(urls[at % urls.length]!);
}

function fetchOne(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} was answered with ${response.statusCode}`));
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("end", resolve).on("error", reject);
    }).on("error", reject);
  });
}
