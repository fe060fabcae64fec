// <kyso-sign>: not here yet.
import { KysoElement } from "../element";
export class KysoSign extends KysoElement {}
