/**
 * Loaded by `node --import` as `skewed-clock.ts?ms=…`: the process takes it to be so much later than it is (below 0:
 * earlier), and so do its workers. Timers go on as they are, as on a machine whose time of day nobody set.
 */
const skewMs = Number(new URL(import.meta.url).searchParams.get("ms"));
const TrueDate = globalThis.Date;
const now = () => TrueDate.now() + skewMs;

globalThis.Date = new Proxy(TrueDate, {
  apply: () => new TrueDate(now()).toString(),
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
const timeOrigin = performance.timeOrigin + skewMs;
Object.defineProperty(performance, "timeOrigin", { get: () => timeOrigin });
