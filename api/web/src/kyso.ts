// For pages elsewhere: one module that brings both elements, under a name that stays.
//
//   <script type="module" src="https://kyso.example/web/kyso.js"></script>
export { KysoSign } from "./sign/kyso-sign";
export { KysoVerify } from "./verify/kyso-verify";
