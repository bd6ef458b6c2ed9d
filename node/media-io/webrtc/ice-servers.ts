import { createHmac, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { WebrtcError } from "./errors.ts";
import type { WebrtcOptions } from "./options.ts";

type IceOptions = Pick<WebrtcOptions, "enabled" | "stunUrls" | "turnUrls" | "turnSecretFile" | "turnSeconds">;

const rel = 'rel="ice-server"';

/** Servers that clients are told of in Link headers. A TURN server's credentials are made for one session and expire. */
export class IceServers {
  readonly #options: IceOptions;
  #secret: string | undefined;

  constructor(options: IceOptions) {
    this.#options = options;
  }

  /** @throws WEBRTC_SECRET_UNREADABLE, WEBRTC_SECRET_EMPTY */
  async load(): Promise<void> {
    const { enabled, turnSecretFile: file } = this.#options;
    if (!enabled || file === "") return;
    try {
      this.#secret = (await readFile(file, "utf8")).trim();
    } catch (cause) {
      throw new WebrtcError({ code: "WEBRTC_SECRET_UNREADABLE", file }, { cause });
    }
    // Anybody could make credentials with it.
    if (this.#secret === "") throw new WebrtcError({ code: "WEBRTC_SECRET_EMPTY", file });
  }

  /** For anybody: credentials would make a TURN server everybody's relay. */
  openLinks(): string[] {
    return this.#options.stunUrls.map((url) => `<${url}>; ${rel}`);
  }

  /** For who has a session. */
  links(nowMs: number): string[] {
    const { turnUrls, turnSeconds } = this.#options;
    const stun = this.openLinks();
    if (this.#secret === undefined) return [...stun, ...turnUrls.map((url) => `<${url}>; ${rel}`)];
    const username = `${Math.floor(nowMs / 1000) + turnSeconds}:${randomBytes(6).toString("hex")}`;
    const credential = createHmac("sha1", this.#secret).update(username).digest("base64");
    const password = `username="${username}"; credential="${credential}"; credential-type="password"`;
    return [...stun, ...turnUrls.map((url) => `<${url}>; ${rel}; ${password}`)];
  }
}
