// For pages elsewhere: one module that brings all elements, under a name that stays.
//
//   <script type="module" src="https://kyso.example/web/kyso.js"></script>
import type * as told from "../kyso";
import { KysoInbox } from "./inbox/kyso-inbox";
import { KysoSign } from "./sign/kyso-sign";
import { KysoVerify } from "./verify/kyso-verify";

/** What the package's types say is so, or this does not compile. */
type Told = { [Name in "KysoInbox" | "KysoSign" | "KysoVerify"]: new () => InstanceType<(typeof told)[Name]> };

export const elements = { KysoInbox, KysoSign, KysoVerify } satisfies Told;
export { KysoInbox, KysoSign, KysoVerify };
