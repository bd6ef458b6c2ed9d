/** What a database's thread is asked. Values of one transaction carry its number and run in the order sent. */
export type SqlRequest =
  | {
      readonly id: number;
      readonly kind: "query";
      readonly sql: string;
      readonly params: readonly unknown[];
      readonly rowMode: "array" | "object";
      readonly transaction?: number;
    }
  | { readonly id: number; readonly kind: "begin"; readonly transaction: number }
  | { readonly id: number; readonly kind: "end"; readonly transaction: number; readonly commit: boolean }
  | { readonly id: number; readonly kind: "close" };

export type SqlAnswer =
  | { readonly id: number; readonly rows: readonly unknown[] }
  | { readonly id: number; readonly error: string; readonly sqlState?: string };

/** Sent once, before any answer. */
export type SqlOpened = { readonly opened: true } | { readonly opened: false; readonly reason: string };

export interface SqlWorkerData {
  /** A folder. */
  readonly location: string;
}
