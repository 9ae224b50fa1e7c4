import { useLoader } from "../core.js";
import { load } from "../load/node.js";

useLoader(load);
export * from "../index.js";
