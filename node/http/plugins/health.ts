import type { FastifyInstance } from "fastify";

/** One condition of `/readyz`. `check` gives undefined when it holds, otherwise why not, in a few words. */
export interface ReadinessCheck {
  readonly name: string;
  /** False for what is shown and leaves the node ready: most of its work goes on. */
  readonly decides?: false;
  check(): string | undefined | Promise<string | undefined>;
}

const CHECK_LIMIT_MS = 2_000;

/** `/healthz`: the process answers. `/readyz`: it can do its work; 503 with the reasons otherwise. */
export function addHealth(app: FastifyInstance, checks: readonly ReadinessCheck[]): void {
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const results = await Promise.all(checks.map(async (one) => [one, await runCheck(one)] as const));
    const ready = results.every(([{ decides }, reason]) => reason === undefined || decides === false);
    reply.code(ready ? 200 : 503);
    return { ready, checks: Object.fromEntries(results.map(([{ name }, reason]) => [name, reason ?? "ok"])) };
  });
}

async function runCheck(one: ReadinessCheck): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("no answer in time"), CHECK_LIMIT_MS);
  try {
    return await Promise.race([one.check(), late.promise]);
  } catch {
    // The text of an error is not for everyone who can ask.
    return "failed";
  } finally {
    clearTimeout(timer);
  }
}
