import { useLoader } from "../core.js";
import { load } from "../load/inline.js";

useLoader(load);
export * from "../index.js";
