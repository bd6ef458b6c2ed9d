import { type Static, Type } from "typebox";
import { certificateOptions, isCertificateNamed } from "../kernel/certificate-options.ts";

/** What a person sets about the HTTP server. A file of its own, so that the settings know it without loading a server. */
export const httpOptions = Type.Object(
  {
    host: Type.String({ default: "127.0.0.1", minLength: 1, description: "Address that the server listens on" }),
    port: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: "Port; 0 takes any free one" }),
    bodyLimitBytes: Type.Integer({
      default: 262_144,
      minimum: 1_024,
      maximum: 16_777_216,
      description: "Largest request body that is read",
    }),
    requestsPerMinute: Type.Integer({
      default: 600,
      minimum: 1,
      maximum: 1_000_000,
      description: "API requests that one address may make in a minute",
    }),
    trustedProxies: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: "Addresses or networks whose X-Forwarded-For is believed",
    }),
    tls: Type.Object(
      {
        port: Type.Integer({
          default: 8443,
          minimum: 0,
          maximum: 65_535,
          description: "Port of HTTPS, which is served once both files are named; 0 takes any free one",
        }),
        ...certificateOptions,
      },
      { default: {}, additionalProperties: false },
    ),
  },
  { default: {}, additionalProperties: false },
);

export type HttpOptions = Static<typeof httpOptions>;

/** Where the server answers on its own machine; over TLS where it has a certificate. */
export function listenerUrl({ host, port, tls }: Pick<HttpOptions, "host" | "port" | "tls">): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return isCertificateNamed(tls) ? `https://${name}:${tls.port}` : `http://${name}:${port}`;
}
