import { payerScorePpm } from "../market/payer-reputation.ts";

/** What a node says of a payer (`GET /v1/payers/ADDRESS`), amounts as text. */
export interface PayerReport {
  readonly payer: string;
  readonly atSeconds: string;
  readonly scorePpm: number;
  readonly bounces: readonly {
    readonly channel: string;
    readonly payee: string;
    readonly missing: string;
    readonly total: string;
    readonly atSeconds: string;
    readonly madeGood: boolean;
    readonly transaction: string;
  }[];
}

/** The score by our own rule, from the bounces that the node names: each can be looked up in its transaction. */
export function recomputeScore({ atSeconds, bounces }: PayerReport): number {
  const read = bounces.map((bounce) => ({ ...bounce, atSeconds: BigInt(bounce.atSeconds) }));
  return payerScorePpm(read, BigInt(atSeconds));
}

/** In plain words: the score, and what it is made of. */
export function describePayer(report: PayerReport): string {
  const lines = [`payer ${report.payer}`, `reputation ${(report.scorePpm / 10_000).toFixed(2)} %`];
  if (report.bounces.length === 0) lines.push("no claim on it ever bounced");
  for (const { payee, missing, total, atSeconds, madeGood, transaction } of report.bounces) {
    const at = new Date(Number(atSeconds) * 1_000).toISOString();
    const after = madeGood ? ", paid later" : "";
    lines.push(
      `  ${at}: ${missing} base units of a total of ${total} were missing for ${payee}${after} (${transaction})`,
    );
  }
  const scorePpm = recomputeScore(report);
  lines.push(
    scorePpm === report.scorePpm
      ? "made again from these bounces: the same"
      : `does not agree: these bounces make ${(scorePpm / 10_000).toFixed(2)} %`,
  );
  return lines.join("\n");
}
