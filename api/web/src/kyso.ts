// For pages elsewhere: one module that brings all elements, under a name that stays.
//
//   <script type="module" src="https://kyso.example/web/kyso.js"></script>
export { KysoInbox } from "./inbox/kyso-inbox";
export { KysoSign } from "./sign/kyso-sign";
export { KysoVerify } from "./verify/kyso-verify";
