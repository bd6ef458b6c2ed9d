import { setKeccak } from "@leat/sdk/protocol/keccak.ts";
import { createKeccak } from "hash-wasm";

/** Compiled ahead of time, five times faster than the portable one; a page could not load it under our content policy. */
const hasher = await createKeccak(256);

setKeccak((bytes) => hasher.init().update(bytes).digest("binary"));
