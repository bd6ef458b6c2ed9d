import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { SrtCallee } from "./srt-call.ts";
import type { SrtTarget } from "./stream-id.ts";

/** What the thread that holds libsrt and the node's own thread say to each other. */

export interface SrtThreadData {
  readonly host: string;
  readonly port: number;
  readonly latencyMs: number;
  readonly idleMs: number;
  readonly maxConnections: number;
  readonly maxViewers: number;
  /** What this node does for callers. */
  readonly takes: boolean;
  readonly plays: boolean;
  readonly encryptedOnly: boolean;
  readonly secret: Hex;
  readonly libraries: readonly string[];
  /** Of connections that come: no number is given again, whichever thread gave it. */
  readonly firstId: number;
}

/** A connection to be made to a server. */
export interface SrtDial {
  readonly type: "dial";
  readonly id: number;
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  /** Undefined: libsrt's. */
  readonly latencyMs?: number | undefined;
}

export type FromSrtThread =
  | { readonly type: "listening"; readonly port: number; readonly version: string }
  | { readonly type: "failed"; readonly why: "library" | "busy" | "address"; readonly reason: string }
  | { readonly type: "opened"; readonly id: number; readonly address: string; readonly target: SrtTarget }
  /** A call came to nothing; `reason` as SRT numbers it. */
  | { readonly type: "unanswered"; readonly id: number; readonly reason: number }
  | { readonly type: "data"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** So many bytes for a viewer have left. */
  | { readonly type: "sent"; readonly id: number; readonly bytes: number }
  | { readonly type: "closed"; readonly id: number; readonly idle: boolean }
  | { readonly type: "dialed"; readonly id: number }
  | { readonly type: "dialSent"; readonly id: number; readonly bytes: number }
  | { readonly type: "dialClosed"; readonly id: number; readonly refused: boolean }
  | { readonly type: "crashed"; readonly reason: string }
  /** Before there was a connection. */
  | { readonly type: "refused"; readonly code: string };

export type ToSrtThread =
  | { readonly type: "taken"; readonly id: number; readonly bytes: number }
  /** Whole packets of a transport stream, for a viewer. */
  | { readonly type: "send"; readonly id: number; readonly bytes: Uint8Array }
  /** `code`: what the same caller is told if it comes again at once. */
  | { readonly type: "close"; readonly id: number; readonly code: string | undefined }
  /** Nothing more comes for a viewer: it is closed once it has all. */
  | { readonly type: "finish"; readonly id: number }
  /** Calls somebody to take what it sends. `id` is below 0: those of callers are above. */
  | ({ readonly type: "call"; readonly id: number } & SrtCallee)
  /** Of connections from here; their numbers are their own. */
  | SrtDial
  | { readonly type: "dialSend"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "dialFinish" | "dialClose"; readonly id: number }
  | { readonly type: "stop" };
