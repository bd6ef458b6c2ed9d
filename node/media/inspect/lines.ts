import { type Attributes, hasAttributes, readAttributes } from "./attributes.ts";
import type { Findings } from "./rules.ts";

export interface Tag {
  /** Without the number sign: `EXTINF`. */
  readonly name: string;
  readonly value: string;
  readonly line: number;
  /** Empty for tags whose value is none. */
  readonly attributes: Attributes;
}

export interface Address {
  readonly uri: string;
  readonly line: number;
}

export type Line = Tag | Address;

export const isTag = (line: Line): line is Tag => "name" in line;

const noAttributes: Attributes = new Map();
/** RFC 3986: what may stand in an address, and a percent sign only before two hexadecimal digits. */
const escaped = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** Takes a playlist apart into tags and addresses. Comments and blank lines are dropped. */
export function readLines(playlist: string | Uint8Array, findings: Findings): Line[] {
  let text: string;
  if (typeof playlist === "string") text = playlist;
  else {
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(playlist);
    } catch {
      findings.add("utf8-invalid", undefined, "bytes that are no UTF-8");
      text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(playlist);
    }
  }
  if (text.startsWith("\ufeff")) {
    findings.add("byte-order-mark", 1, "U+FEFF");
    text = text.slice(1);
  }
  if (/\r(?!\n)/.test(text)) findings.add("line-ending", undefined, "CR without LF");
  const rows = text.split(/\r\n|\n|\r/);
  if (rows[0] !== "#EXTM3U") findings.add("header-missing", 1, rows[0] ?? "");
  return rows.flatMap((row, index) => readRow(row, index + 1, findings));
}

function readRow(row: string, line: number, findings: Findings): Line[] {
  if (control.test(row)) findings.add("control-character", line, row);
  if (row === "" || row === "#EXTM3U") return [];
  if (!row.startsWith("#")) {
    checkAddress(row, line, findings);
    return [{ uri: row, line }];
  }
  if (!row.startsWith("#EXT")) return [];
  const colon = row.indexOf(":");
  const name = row.slice(1, colon < 0 ? undefined : colon);
  const value = colon < 0 ? "" : row.slice(colon + 1);
  const attributes = hasAttributes(name) ? readAttributes(name, value, line, findings) : noAttributes;
  const uri = attributes.get("URI");
  if (uri !== undefined) checkAddress(uri, line, findings);
  return [{ name, value, line, attributes }];
}

function checkAddress(uri: string, line: number, findings: Findings): void {
  if (!escaped.test(uri)) findings.add("uri-escape", line, uri);
}
