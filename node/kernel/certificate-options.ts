import { Type } from "typebox";

/** Where a certificate's files are. Beside `certificate.ts`, so that settings are known without loading TLS. */
export const certificateOptions = {
  certFile: Type.String({
    default: "",
    description: "File of the certificate and its chain in PEM; read again when it changes",
  }),
  keyFile: Type.String({
    default: "",
    description: "File of the certificate's key in PEM, without a passphrase",
  }),
};

/** Whether TLS is wanted. One file without the other is, and is refused at the start. */
export function isCertificateNamed(files: { readonly certFile: string; readonly keyFile: string }): boolean {
  return files.certFile !== "" || files.keyFile !== "";
}
