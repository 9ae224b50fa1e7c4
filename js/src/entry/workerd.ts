import { useLoader } from "../core.js";
import { load } from "../load/workerd.js";

// No streams are sent: workerd ends a body whose stream has failed as if it were whole.
useLoader(load);
export * from "../index.js";
