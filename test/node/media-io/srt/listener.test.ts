import assert from "node:assert/strict";
import { loadSrt, type SrtHook, type SrtLibrary } from "@leat/node/media-io/srt/library.ts";
import { SrtListener } from "@leat/node/media-io/srt/listener.ts";
import type { FromSrtThread } from "@leat/node/media-io/srt/messages.ts";
import { deriveSrtSecret } from "@leat/node/media-io/srt/passphrase.ts";
import { srtLibraries } from "@leat/node/media-io/srt/srt-service.ts";
import { nameOfHash } from "@leat/node/media-io/srt/stream-id.ts";

describe("srt listener", () => {
  const data = {
    ...{ host: "127.0.0.1", port: 0, latencyMs: 120, idleMs: 10_000, maxConnections: 4, encryptedOnly: false },
    ...{ maxViewers: 4, takes: true, plays: true },
    ...{ secret: deriveSrtSecret(new Uint8Array(32).fill(7)), libraries: srtLibraries, firstId: 1 },
  };

  /** The library as it is, but for what is given. */
  async function listen(other: Partial<SrtLibrary>, use: (judge: SrtHook) => void): Promise<FromSrtThread[]> {
    const library = loadSrt(srtLibraries);
    const said: FromSrtThread[] = [];
    let judge: SrtHook | undefined;
    const hook = (socket: number, given: SrtHook) => {
      judge = given;
      return library.hook(socket, given);
    };
    const listener = new SrtListener({ ...library, hook, ...other }, data, (message) => said.push(message));
    try {
      if (listener.start()) use(judge!);
    } finally {
      await listener.stop();
    }
    return said;
  }

  it("does not listen with a library that takes no passphrase", async () => {
    const said = await listen({ setPassphrase: () => -1 }, () => assert.fail("it listens"));
    assert.deepEqual(said, [{ type: "failed", why: "library", reason: "built without encryption" }]);
  });

  it("lets nobody in whose passphrase cannot be set", async () => {
    let calls = 0;
    const setPassphrase = () => {
      calls += 1;
      return calls === 1 ? 0 : -1;
    };
    const said = await listen({ setPassphrase, reject: () => 0 }, (judge) => {
      assert.equal(judge(1, "127.0.0.1", nameOfHash(`0x${"11".repeat(32)}`)), -1);
      assert.equal(judge(1, "127.0.0.1", "plain-key"), 0);
    });
    assert.equal(said.filter(({ type }) => type === "refused").length, 1);
  });
});
