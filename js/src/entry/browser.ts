import { useLoader } from "../core.js";
import { load } from "../load/browser.js";

useLoader(load);
export * from "../index.js";
