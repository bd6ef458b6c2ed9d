export interface MultipartPart {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * The parts of an answer as MistServer's Livepeer process takes them out: it looks for the boundary in the bytes, minds
 * the case of header names, and wants two bytes before each boundary that are no part's.
 */
export async function readMultipart(response: Response): Promise<MultipartPart[]> {
  const boundary = /^multipart\/mixed; boundary=([^;"]+)$/.exec(response.headers.get("content-type") ?? "")?.[1];
  if (boundary === undefined) throw new Error(`no multipart: ${response.headers.get("content-type")}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const mark = Buffer.from(`--${boundary}`);
  const parts: MultipartPart[] = [];
  for (let at = bytes.indexOf(mark); ; ) {
    const next = bytes.indexOf(mark, at + mark.length);
    if (next < 0) {
      if (bytes.subarray(at).toString() !== `--${boundary}--\r\n`) throw new Error("no closing boundary");
      return parts;
    }
    const start = at + mark.length + 2;
    const headEnd = bytes.indexOf("\r\n\r\n", start);
    const lines = bytes.subarray(start, headEnd).toString().split("\r\n");
    const headers = Object.fromEntries(lines.map((line) => line.split(": ") as [string, string]));
    const body = bytes.subarray(headEnd + 4, next - 2);
    if (Number(headers["Content-Length"]) !== body.length) throw new Error("a part of another length than it says");
    parts.push({ headers, body });
    at = next;
  }
}
