// xml-crypto with two algorithms it leaves to its users (its README, "Customizing Algorithms"): ECDSA, and the one XPath
// filter by which parallel signatures leave each other out. Reference digests and canonical forms are its own.
import { readFileSync, writeFileSync } from "node:fs";
import * as crypto from "node:crypto";
import { DOMParser } from "@xmldom/xmldom";
import xpath from "xpath";
import { SignedXml } from "xml-crypto";

const DS = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";
const MORE = "http://www.w3.org/2001/04/xmldsig-more#";
const XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116";
const SHA384 = MORE + "sha384";

const ecdsa = (hash) =>
  class {
    verifySignature(material, key, value) {
      const public_ = { key: crypto.createPublicKey(key), dsaEncoding: "ieee-p1363" };
      return crypto.verify(hash, Buffer.from(material), public_, Buffer.from(value, "base64"));
    }
    getAlgorithmName() {
      return `${MORE}ecdsa-${hash}`;
    }
  };

class Sha384 {
  getHash(text) {
    return crypto.createHash("sha384").update(text, "utf8").digest("base64");
  }
  getAlgorithmName() {
    return SHA384;
  }
}

class WithoutSignatures {
  process(node) {
    for (const one of xpath.select(`.//*[local-name()='Signature' and namespace-uri()='${DS}']`, node)) {
      one.parentNode.removeChild(one);
    }
    return node;
  }
  getAlgorithmName() {
    return XPATH;
  }
}

export function verify({ document }) {
  const text = readFileSync(document, "utf8");
  const parsed = new DOMParser().parseFromString(text, "text/xml");
  const found = xpath.select(`//*[local-name()='Signature' and namespace-uri()='${DS}']`, parsed);
  for (const element of found) {
    const signed = new SignedXml({ getCertFromKeyInfo: SignedXml.getCertFromKeyInfo });
    for (const hash of ["sha256", "sha384", "sha512"]) {
      signed.SignatureAlgorithms[`${MORE}ecdsa-${hash}`] = ecdsa(hash);
    }
    signed.HashAlgorithms[SHA384] = Sha384;
    signed.CanonicalizationAlgorithms[XPATH] = WithoutSignatures;
    signed.loadSignature(element);
    if (!signed.checkSignature(text)) {
      return { good: false, words: "a reference or the value does not verify" };
    }
  }
  return { good: found.length > 0, words: `${found.length} verified` };
}

export function sign({ document, out, key, certificate }) {
  const signed = new SignedXml({
    privateKey: readFileSync(key),
    publicCert: readFileSync(certificate),
    canonicalizationAlgorithm: EXCLUSIVE,
    signatureAlgorithm: MORE + "rsa-sha256",
  });
  signed.addReference({
    xpath: "/*",
    isEmptyUri: true,
    transforms: [DS + "enveloped-signature", EXCLUSIVE],
    digestAlgorithm: "http://www.w3.org/2001/04/xmlenc#sha256",
  });
  signed.computeSignature(readFileSync(document, "utf8"));
  writeFileSync(out, signed.getSignedXml());
  return { good: true, words: "" };
}
