import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { SrtTarget } from "./stream-id.ts";

/** What the thread that holds libsrt and the node's own thread say to each other. */

export interface SrtThreadData {
  readonly host: string;
  readonly port: number;
  readonly latencyMs: number;
  readonly idleMs: number;
  readonly maxConnections: number;
  readonly encryptedOnly: boolean;
  readonly secret: Hex;
  readonly libraries: readonly string[];
}

export type FromSrtThread =
  | { readonly type: "listening"; readonly port: number; readonly version: string }
  | { readonly type: "failed"; readonly why: "library" | "busy" | "address"; readonly reason: string }
  | { readonly type: "opened"; readonly id: number; readonly address: string; readonly target: SrtTarget }
  | { readonly type: "data"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "closed"; readonly id: number; readonly idle: boolean }
  | { readonly type: "crashed"; readonly reason: string }
  /** Before there was a connection. */
  | { readonly type: "refused"; readonly code: string };

export type ToSrtThread =
  | { readonly type: "taken"; readonly id: number; readonly bytes: number }
  /** `code`: what the same publisher is told if it comes again at once. */
  | { readonly type: "close"; readonly id: number; readonly code: string | undefined }
  | { readonly type: "stop" };
