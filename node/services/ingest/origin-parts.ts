import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import type { Checking } from "../checking/index.ts";
import type { JobDesk } from "../jobs/job-desk.ts";
import type { PackSegment } from "../jobs/packed-segment.ts";
import type { JobSession } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import type { StartAudio } from "./sound-workers.ts";

/** What an origin is made of. */
export interface OriginComponents {
  readonly session: Pick<JobSession, "call">;
  readonly desk: Pick<JobDesk, "finish" | "mayWork">;
  readonly receipts: ReceiptBook;
  readonly checking: Checking;
  readonly pack: PackSegment;
  readonly startAudio: StartAudio;
  readonly statements: Statements;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OriginLimits {
  readonly sourceBytes: number;
  readonly sourceMs: number;
  readonly intakeBytes: number;
  readonly keptSegments: number;
  readonly unwatchedSegments: number;
  readonly audioWaitMs: number;
  readonly readyWaitMs: number;
  readonly endWaitMs: number;
  readonly lingerMs: number;
  readonly lagMs: number;
  readonly edgeDrainMs: number;
  readonly retryMs: number;
  readonly creditWaitMs: number;
}

/** How an origin came to its end; no code when the stream did. */
export interface OriginOutcome {
  readonly code: string | undefined;
}
