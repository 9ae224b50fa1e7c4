import { useLoader } from "../core.js";
import { useHost } from "../host.js";
import { load } from "../load/node.js";
import { server } from "./sockets.js";

useLoader(load);
useHost(server);
export * from "../index.js";
