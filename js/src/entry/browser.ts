import { useLoader } from "../core.js";
import { fetchInPage } from "../cors.js";
import { useHost } from "../host.js";
import { load } from "../load/browser.js";

useLoader(load);
useHost({ streamsUploads: false, isBrowser: true, fetch: fetchInPage });
export * from "../index.js";
