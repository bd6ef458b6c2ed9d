import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, type ReadStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import type { transcodeFile } from "@leat/transcoder/stored.ts";
import { type Static, Type } from "typebox";
import { StoredJobError } from "./errors.ts";

export const storedJobOptions = Type.Object(
  {
    bodyBytes: Type.Integer({
      default: 67_108_864,
      minimum: 65_536,
      maximum: 1_073_741_824,
      description: "Largest source of a job by HTTP, bytes",
    }),
    seconds: Type.Integer({
      default: 60,
      minimum: 1,
      maximum: 3_600,
      description: "Longest source of a job by HTTP, seconds",
    }),
    limitMs: Type.Integer({
      default: 300_000,
      minimum: 1_000,
      description: "A job by HTTP that takes longer is ended and not charged, milliseconds",
    }),
    keepMs: Type.Integer({
      default: 600_000,
      minimum: 1_000,
      description: "How long the renditions of a job by HTTP can be fetched, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type StoredJobOptions = Static<typeof storedJobOptions>;

export interface StoredJobComponents {
  /** Holds sources and renditions; emptied at start. */
  readonly folder: string;
  readonly transcode: typeof transcodeFile;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JobRendition {
  readonly name: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationMs: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface StoredJob {
  /** Names the job's files: whoever knows it may fetch them. */
  readonly id: string;
  readonly renditions: readonly JobRendition[];
}

export interface StoredTask {
  readonly ladder: Ladder;
  /** What was paid for: more than that is not kept. */
  readonly maxPixels: bigint;
  readonly signal: AbortSignal;
}

export interface StoredJobs {
  readonly isBusy: boolean;
  /** Reads the source, transcodes it, keeps the renditions for a while. @throws StoredJobError */
  run(source: Readable, task: StoredTask): Promise<StoredJob>;
  /** @throws STORED_JOB_FILE_UNKNOWN */
  find(id: string, name: string): StoredFile;
}

/** A rendition that is kept. */
export interface StoredFile {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
  /** Bytes `from` to `to`, that one not included. */
  read(from: number, to: number): ReadStream;
}

/** Turns one file at a time into renditions, for people who pay by HTTP. */
export class StoredJobService implements StoredJobs, Startable {
  readonly #components: StoredJobComponents;
  readonly #options: StoredJobOptions;
  readonly #tasks: TaskGroup;
  readonly #kept = new Map<string, StoredJob>();
  #isBusy = false;

  constructor(components: StoredJobComponents, options: StoredJobOptions) {
    this.#components = components;
    this.#options = options;
    const { clock, logger } = components;
    this.#tasks = new TaskGroup({ clock, onError: (error) => logger.warn("Remove renditions failed", { error }) });
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  async start(): Promise<void> {
    // What a killed node left: nobody knows its name any more.
    await rm(this.#components.folder, { recursive: true, force: true });
    await mkdir(this.#components.folder, { recursive: true });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async run(source: Readable, { ladder, maxPixels, signal }: StoredTask): Promise<StoredJob> {
    if (this.#isBusy) throw new StoredJobError({ code: "STORED_JOB_BUSY" });
    this.#isBusy = true;
    const id = randomBytes(16).toString("hex");
    const folder = join(this.#components.folder, id);
    let job: StoredJob | undefined;
    try {
      await mkdir(folder);
      const input = join(folder, ".source");
      await this.#receive(source, input, signal);
      const renditions = await this.#transcode(input, folder, ladder, signal);
      const foundPixels = countPixels(renditions);
      if (foundPixels > maxPixels) {
        throw new StoredJobError({ code: "STORED_JOB_BEYOND_DECLARED", declaredPixels: maxPixels, foundPixels });
      }
      await rm(input, { force: true });
      job = { id, renditions };
      this.#keep(job, folder);
      return job;
    } finally {
      this.#isBusy = false;
      if (job === undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  find(id: string, name: string): StoredFile {
    const rendition = this.#kept.get(id)?.renditions.find((one) => one.name === name);
    if (rendition === undefined) throw new StoredJobError({ code: "STORED_JOB_FILE_UNKNOWN" });
    const { sizeBytes, sha256 } = rendition;
    const path = join(this.#components.folder, id, `${name}.mp4`);
    return { sizeBytes, sha256, read: (start, to) => createReadStream(path, { start, end: to - 1 }) };
  }

  async #receive(source: Readable, path: string, signal: AbortSignal): Promise<void> {
    const most = this.#options.bodyBytes;
    let sizeBytes = 0;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sizeBytes += chunk.length;
        if (sizeBytes > most) done(new StoredJobError({ code: "STORED_JOB_TOO_LARGE", sizeBytes, most }));
        else done(null, chunk);
      },
    });
    try {
      await pipeline(source, counter, createWriteStream(path), { signal });
    } catch (cause) {
      if (cause instanceof StoredJobError) throw cause;
      throw new StoredJobError({ code: "STORED_JOB_CUT_OFF" }, { cause });
    }
  }

  async #transcode(input: string, outDir: string, ladder: Ladder, signal: AbortSignal): Promise<JobRendition[]> {
    const { clock, transcode } = this.#components;
    const { limitMs } = this.#options;
    const limit = new AbortController();
    const end = AbortSignal.any([signal, limit.signal, this.#tasks.signal]);
    const timer = new AbortController();
    const waiting = clock.sleep(limitMs, AbortSignal.any([timer.signal, end])).then(
      () => limit.abort(),
      () => {},
    );
    try {
      const { renditions } = await transcode({ input, ladder, outDir, signal: end });
      return await Promise.all(
        renditions.map(async ({ name, codec, width, height, frames, durationMs, bytes, file }) => ({
          name,
          codec,
          width,
          height,
          frames,
          durationMs,
          sizeBytes: bytes,
          sha256: await hashFile(file),
        })),
      );
    } catch (cause) {
      if (limit.signal.aborted) throw new StoredJobError({ code: "STORED_JOB_TIMED_OUT", limitMs }, { cause });
      // Its client left after the work had begun for it.
      if (signal.aborted) throw new StoredJobError({ code: "STORED_JOB_ABANDONED" }, { cause });
      if (end.aborted) throw new StoredJobError({ code: "STORED_JOB_CUT_OFF" }, { cause });
      if (!isCodedError(cause)) throw cause;
      const isSource = /^TRANSCODE_(INPUT|BITSTREAM|DECODER)_/.test(cause.code);
      throw new StoredJobError(
        { code: isSource ? "STORED_JOB_UNREADABLE" : "STORED_JOB_FAILED", reason: cause.code },
        { cause },
      );
    } finally {
      timer.abort();
      await waiting;
    }
  }

  #keep(job: StoredJob, folder: string): void {
    this.#kept.set(job.id, job);
    this.#tasks.run(async (signal) => {
      await this.#components.clock.sleep(this.#options.keepMs, signal);
      this.#kept.delete(job.id);
      await rm(folder, { recursive: true, force: true });
    });
  }
}

/** Output pixels: what is sold. */
export function countPixels(renditions: readonly JobRendition[]): bigint {
  return renditions.reduce((sum, { width, height, frames }) => sum + BigInt(width * height) * BigInt(frames), 0n);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
