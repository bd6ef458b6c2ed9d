import assert from "node:assert/strict";
import { Paced } from "../../../node/kernel/paced.ts";
import { TaskGroup } from "../../../node/kernel/task-group.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("paced work", () => {
  let clock: ManualClock;
  let tasks: TaskGroup;
  let errors: unknown[];
  let done: string[];
  let isDue: (key: string) => boolean;
  let work: (key: string) => Promise<void>;
  let paced: Paced<string>;
  beforeEach(() => {
    clock = new ManualClock();
    errors = [];
    tasks = new TaskGroup({ clock, onError: (error) => errors.push(error) });
    done = [];
    isDue = () => true;
    work = async () => {};
    paced = new Paced({
      clock,
      tasks,
      pauseMs: 1_000,
      isDue: (key) => isDue(key),
      work: (key) => {
        done.push(key);
        return work(key);
      },
    });
  });
  afterEach(() => tasks.close());

  it("is done at once, and once more behind a pause for all who asked meanwhile", async () => {
    for (const key of ["a", "a", "b", "a"]) paced.ask(key);
    assert.deepEqual(done, ["a", "b"]);
    await clock.advance(999);
    paced.ask("a");
    assert.deepEqual(done, ["a", "b"]);
    await clock.advance(1);
    assert.deepEqual(done, ["a", "b", "a"]);
    await clock.advance(5_000);
    assert.deepEqual(done, ["a", "b", "a"]);
    paced.ask("b");
    assert.deepEqual(done, ["a", "b", "a", "b"]);
  });

  it("counts the pause from its end", async () => {
    const ends = Promise.withResolvers<void>();
    work = () => ends.promise;
    paced.ask("a");
    paced.ask("a");
    await clock.advance(5_000);
    assert.deepEqual(done, ["a"]);
    ends.resolve();
    await clock.advance(999);
    assert.deepEqual(done, ["a"]);
    await clock.advance(1);
    assert.deepEqual(done, ["a", "a"]);
  });

  it("is not done where it is not due, or is due no more", async () => {
    isDue = () => false;
    paced.ask("a");
    assert.deepEqual(done, []);
    isDue = () => true;
    paced.ask("a");
    paced.ask("a");
    isDue = () => false;
    await clock.advance(1_000);
    isDue = () => true;
    await clock.advance(5_000);
    assert.deepEqual(done, ["a"]);
    paced.ask("a");
    assert.deepEqual(done, ["a", "a"]);
  });

  it("pauses behind a failure too, and goes on when it is asked again", async () => {
    const failure = new Error("away");
    work = () => Promise.reject(failure);
    paced.ask("a");
    await clock.advance(999);
    paced.ask("a");
    assert.deepEqual(done, ["a"]);
    work = async () => {};
    await clock.advance(1);
    assert.deepEqual(errors, [failure]);
    assert.deepEqual(done, ["a", "a"]);
    await clock.advance(5_000);
    assert.deepEqual(done, ["a", "a"]);
  });

  it("ends with its tasks", async () => {
    paced.ask("a");
    paced.ask("a");
    await tasks.close();
    paced.ask("b");
    assert.deepEqual([done, errors], [["a"], []]);
  });
});
