// xadesjs on xmldom and Node's own cryptography. It is told which RSA key to expect: by itself it takes every certificate
// of KeyInfo for one of that kind. Archive timestamps of XAdES 1.4.1, which it cannot read, are taken away first: they
// are not signed.
import { readFileSync, writeFileSync } from "node:fs";
import { X509Certificate, createPublicKey, webcrypto } from "node:crypto";
import * as xmldom from "@xmldom/xmldom";
import xpath from "xpath";
import * as xadesjs from "xadesjs";

const DS = "http://www.w3.org/2000/09/xmldsig#";
const XADES141 = "http://uri.etsi.org/01903/v1.4.1#";

xadesjs.setNodeDependencies({
  XMLSerializer: xmldom.XMLSerializer,
  DOMParser: xmldom.DOMParser,
  DOMImplementation: xmldom.DOMImplementation,
  xpath,
});
xadesjs.Application.setEngine("NodeJS", webcrypto);

async function keyOf(element, algorithm) {
  if (!algorithm.name.startsWith("RSA")) {
    return undefined;
  }
  const first = element.getElementsByTagNameNS(DS, "X509Certificate")[0];
  const key = new X509Certificate(Buffer.from(first.textContent, "base64")).publicKey;
  const spki = key.export({ type: "spki", format: "der" });
  return webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]);
}

export async function verify({ document, detached = {} }) {
  const parsed = xadesjs.Parse(readFileSync(document, "utf8"));
  for (const stamp of Array.from(parsed.getElementsByTagNameNS(XADES141, "ArchiveTimeStamp"))) {
    stamp.parentNode.removeChild(stamp);
  }
  const found = Array.from(parsed.getElementsByTagNameNS(DS, "Signature"));
  for (const element of found) {
    const signed = new xadesjs.SignedXml(parsed);
    signed.contentHandler = async (reference) => {
      const path = detached[decodeURIComponent(reference.Uri ?? "")];
      return path ? new Uint8Array(readFileSync(path)) : null;
    };
    signed.LoadXml(element);
    if (!(await signed.Verify(await keyOf(element, signed.Algorithm)))) {
      return { good: false, words: "does not verify" };
    }
  }
  return { good: found.length > 0, words: `${found.length} verified` };
}

export async function sign({ document, out, key, certificate }) {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const pem = (path) => readFileSync(path, "utf8").replace(/-----[^-]+-----|\s/g, "");
  const signer = await webcrypto.subtle.importKey("pkcs8", Buffer.from(pem(key), "base64"), algorithm, false, ["sign"]);
  const spki = createPublicKey(readFileSync(certificate)).export({ type: "spki", format: "der" });
  const signed = new xadesjs.SignedXml();
  await signed.Sign(algorithm, signer, xadesjs.Parse(readFileSync(document, "utf8")), {
    keyValue: await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    x509: [pem(certificate)],
    signingCertificate: pem(certificate),
    references: [{ uri: "", hash: "SHA-256", transforms: ["enveloped", "exc-c14n"] }],
    signerRole: { claimed: ["clerk"] },
    productionPlace: { country: "VN", city: "Hà Nội" },
  });
  writeFileSync(out, signed.toString());
  return { good: true, words: "" };
}
