// What xml-crypto and xadesjs say of signed documents, and documents signed by them.
//
// Each line of the input is a job in JSON, each line of the output an answer:
//   {"do": "xml-crypto" | "xadesjs", "document": path, "detached": {name: path}}
//     → {"good": bool, "words": "…"}        one signature that does not verify makes the whole not good
//   {"do": "sign-xml-crypto" | "sign-xadesjs", "document": path, "out": path, "key": path, "certificate": path}
import { createInterface } from "node:readline";
import * as xadesjs from "./xadesjs.mjs";
import * as xmlcrypto from "./xml-crypto.mjs";

const DOES = {
  "xml-crypto": xmlcrypto.verify,
  xadesjs: xadesjs.verify,
  "sign-xml-crypto": xmlcrypto.sign,
  "sign-xadesjs": xadesjs.sign,
};

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let answer;
  try {
    answer = await DOES[job.do](job);
  } catch (error) {
    answer = { good: false, words: String(error?.message ?? error).split("\n")[0].slice(0, 200) };
  }
  console.log(JSON.stringify(answer));
}
