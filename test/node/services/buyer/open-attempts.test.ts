import assert from "node:assert/strict";
import { OpenAttempts } from "../../../../node/services/buyer/open-attempts.ts";
import { randomHash } from "../../../support/buyer-scene.ts";

describe("attempts that an agent holds open", () => {
  const [stream, other, job, edge] = [randomHash(), randomHash(), randomHash(), randomHash()];
  const at = (attempt: number, of = job) => ({ job: of, attempt });

  it("are over when another one goes on with the job, but for edges, and late work opens none again", () => {
    const open = new OpenAttempts();
    assert.deepEqual(open.note(stream, at(1), false), []);
    assert.deepEqual(open.note(stream, at(1, edge), true), []);
    assert.deepEqual(open.note(stream, at(2, edge), true), []);
    assert.deepEqual(open.note(stream, at(2), false), [at(1)]);
    assert.deepEqual(open.note(stream, at(1), false), [at(1)]);
    assert.deepEqual(open.end(stream), [at(1, edge), at(2, edge), at(2)]);
    assert.deepEqual(open.end(stream), []);
  });

  it("are none of a stream that no edge serves, whatever work of it comes late, until edges serve it again", () => {
    const open = new OpenAttempts({ maxStreams: 1 });
    open.end(stream);
    assert.equal(open.hasEnded(stream), true);
    assert.deepEqual(open.note(stream, at(1), true), [at(1)]);
    assert.deepEqual(open.end(stream), []);
    open.begin(stream);
    assert.deepEqual(open.note(stream, at(1), true), []);
    assert.deepEqual(open.end(stream), [at(1)]);
    open.end(other);
    assert.equal(open.hasEnded(stream), false);
  });

  it("are so many of a stream, and of so many streams: the one that was quiet longest gives way", () => {
    const open = new OpenAttempts({ maxAttempts: 2, maxStreams: 1 });
    for (const attempt of [1, 2, 1]) open.note(stream, at(attempt, edge), true);
    assert.deepEqual(open.note(stream, at(3, edge), true), [at(2, edge)]);
    assert.deepEqual(open.note(other, at(1), false), [at(1, edge), at(3, edge)]);
    assert.deepEqual(open.end(stream), []);
  });
});
