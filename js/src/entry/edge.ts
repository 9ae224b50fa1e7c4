import { useLoader } from "../core.js";
import { useHost } from "../host.js";
import { load } from "../load/edge.js";

useLoader(load);
useHost({ streamsUploads: true });
export * from "../index.js";
