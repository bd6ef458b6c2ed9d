import type { Findings } from "./rules.ts";

/** What an attribute's value looks like. */
type Form = "integer" | "decimal" | "signed" | "string" | "resolution" | "hex" | "anything" | readonly string[];

interface AttributeList {
  readonly required: readonly string[];
  readonly forms: Readonly<Record<string, Form>>;
}

const yesNo = ["YES", "NO"] as const;
const yes = ["YES"] as const;
const variant: Readonly<Record<string, Form>> = {
  BANDWIDTH: "integer",
  "AVERAGE-BANDWIDTH": "integer",
  SCORE: "decimal",
  CODECS: "string",
  "SUPPLEMENTAL-CODECS": "string",
  RESOLUTION: "resolution",
  "HDCP-LEVEL": ["NONE", "TYPE-0", "TYPE-1"],
  "VIDEO-RANGE": ["SDR", "HLG", "PQ"],
  "STABLE-VARIANT-ID": "string",
  "PATHWAY-ID": "string",
  VIDEO: "string",
};

/** Tags whose value is a list of attributes: what each needs, and the forms of those that are known. */
const lists: Readonly<Record<string, AttributeList>> = {
  "EXT-X-STREAM-INF": {
    required: ["BANDWIDTH"],
    forms: { ...variant, "FRAME-RATE": "decimal", AUDIO: "string", SUBTITLES: "string", "CLOSED-CAPTIONS": "anything" },
  },
  "EXT-X-I-FRAME-STREAM-INF": { required: ["BANDWIDTH", "URI"], forms: { ...variant, URI: "string" } },
  "EXT-X-MEDIA": {
    required: ["TYPE", "GROUP-ID", "NAME"],
    forms: {
      TYPE: ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"],
      URI: "string",
      "GROUP-ID": "string",
      LANGUAGE: "string",
      NAME: "string",
      DEFAULT: yesNo,
      AUTOSELECT: yesNo,
      FORCED: yesNo,
      "INSTREAM-ID": "string",
      CHARACTERISTICS: "string",
      CHANNELS: "string",
    },
  },
  "EXT-X-MAP": { required: ["URI"], forms: { URI: "string", BYTERANGE: "string" } },
  "EXT-X-KEY": {
    required: ["METHOD"],
    forms: { METHOD: ["NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR"], URI: "string", IV: "hex" },
  },
  "EXT-X-PART-INF": { required: ["PART-TARGET"], forms: { "PART-TARGET": "decimal" } },
  "EXT-X-PART": {
    required: ["URI", "DURATION"],
    forms: { URI: "string", DURATION: "decimal", INDEPENDENT: yes, GAP: yes, BYTERANGE: "string" },
  },
  "EXT-X-SERVER-CONTROL": {
    required: [],
    forms: {
      "CAN-SKIP-UNTIL": "decimal",
      "CAN-SKIP-DATERANGES": yes,
      "HOLD-BACK": "decimal",
      "PART-HOLD-BACK": "decimal",
      "CAN-BLOCK-RELOAD": yes,
    },
  },
  "EXT-X-PRELOAD-HINT": {
    required: ["TYPE", "URI"],
    forms: { TYPE: ["PART", "MAP"], URI: "string", "BYTERANGE-START": "integer", "BYTERANGE-LENGTH": "integer" },
  },
  "EXT-X-RENDITION-REPORT": {
    required: ["URI"],
    forms: { URI: "string", "LAST-MSN": "integer", "LAST-PART": "integer" },
  },
  "EXT-X-SKIP": {
    required: ["SKIPPED-SEGMENTS"],
    forms: { "SKIPPED-SEGMENTS": "integer", "RECENTLY-REMOVED-DATERANGES": "string" },
  },
  "EXT-X-START": { required: ["TIME-OFFSET"], forms: { "TIME-OFFSET": "signed", PRECISE: yesNo } },
  "EXT-X-DATERANGE": { required: ["ID"], forms: { ID: "string", "START-DATE": "string", DURATION: "decimal" } },
  "EXT-X-DEFINE": { required: [], forms: { NAME: "string", VALUE: "string", IMPORT: "string", QUERYPARAM: "string" } },
  "EXT-X-SESSION-KEY": { required: ["METHOD"], forms: { METHOD: "anything", URI: "string", IV: "hex" } },
  "EXT-X-SESSION-DATA": {
    required: ["DATA-ID"],
    forms: { "DATA-ID": "string", VALUE: "string", URI: "string", LANGUAGE: "string" },
  },
};

const patterns: Readonly<Record<Exclude<Form, readonly string[]>, RegExp>> = {
  integer: /^\d{1,20}$/,
  decimal: /^\d+(\.\d+)?$/,
  signed: /^-?\d+(\.\d+)?$/,
  string: /^"[^"]*"$/,
  resolution: /^\d+x\d+$/,
  hex: /^0[xX][0-9A-Fa-f]+$/,
  anything: /^/,
};

export type Attributes = ReadonlyMap<string, string>;

export function hasAttributes(tag: string): boolean {
  return lists[tag] !== undefined;
}

/** The attributes of a tag, without their quotes. */
export function readAttributes(tag: string, text: string, line: number, findings: Findings): Attributes {
  const { required, forms } = lists[tag]!;
  const attributes = new Map<string, string>();
  const wanted = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)/y;
  while (wanted.lastIndex < text.length) {
    const at = wanted.lastIndex;
    const [, name, value, comma] = wanted.exec(text) ?? [];
    if (name === undefined || value === undefined) {
      findings.add("attribute-syntax", line, text.slice(at));
      // Whatever cannot be read is left out, so that the rest is still looked at.
      const next = /[ \t](?=[A-Z])|,/g;
      next.lastIndex = at;
      wanted.lastIndex = next.test(text) ? next.lastIndex : text.length;
      continue;
    }
    if (comma === "," && wanted.lastIndex === text.length) findings.add("attribute-syntax", line, "a comma at the end");
    if (attributes.has(name)) findings.add("attribute-duplicate", line, name);
    const form = forms[name] ?? "anything";
    const isFit = typeof form === "string" ? patterns[form].test(value) : form.includes(value);
    if (!isFit) findings.add("attribute-value", line, `${name}=${value}`);
    attributes.set(name, value.startsWith('"') ? value.slice(1, -1) : value);
  }
  for (const name of required) if (!attributes.has(name)) findings.add("attribute-missing", line, name);
  return attributes;
}
