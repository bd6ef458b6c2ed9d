import { hash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { HlsWindow } from "./stream.ts";

interface Encoded {
  readonly body: Buffer;
  readonly etag: string;
  readonly encoding: "gzip" | undefined;
}

/** A text as it is sent, one buffer for all. */
export class Document {
  readonly revision: number;
  readonly #plain: Encoded;
  #zipped: Encoded | undefined;

  constructor(text: string, revision: number) {
    const body = Buffer.from(text);
    this.revision = revision;
    this.#plain = { body, etag: etagOf(body), encoding: undefined };
  }

  /** Packed where the client takes it; packing is done once, when first asked for. */
  encodedFor(accepted: string | undefined): Encoded {
    if (accepted === undefined || !/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(accepted)) return this.#plain;
    this.#zipped ??= {
      body: gzipSync(this.#plain.body),
      etag: `${this.#plain.etag.slice(0, -1)}-gzip"`,
      encoding: "gzip",
    };
    return this.#zipped;
  }
}

export function etagOf(bytes: Uint8Array): string {
  return `"${hash("sha256", bytes, "base64url").slice(0, 22)}"`;
}

/** One buffer for each playlist as it stands, shared by every viewer. Goes with its window. */
export class PlaylistCache {
  readonly #windows = new WeakMap<HlsWindow, Map<string, Document>>();

  /** `revision`: that of what is shown. */
  get(window: HlsWindow, key: string, revision: number, write: () => string | undefined): Document | undefined {
    const documents = this.#windows.get(window) ?? new Map<string, Document>();
    this.#windows.set(window, documents);
    const known = documents.get(key);
    if (known?.revision === revision) return known;
    const text = write();
    if (text === undefined) return undefined;
    const document = new Document(text, revision);
    documents.set(key, document);
    return document;
  }
}
