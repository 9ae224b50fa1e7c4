// The contract suite in workerd: a request for each case, since what one of them opens is closed to others.
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { workerModules } from "../../helpers/workerd.js";
import { contractIn } from "../contract.js";
import type { Answer } from "../inside/answer.js";

contractIn(async () => {
  const inside = fileURLToPath(new URL("../inside/", import.meta.url));
  const modulesRoot = join(inside, "workerd");
  const modules = await workerModules(join(inside, "worker.js"), modulesRoot);
  const { version } = createRequire(import.meta.url)("workerd/package.json") as { version: string };
  const worker = new Miniflare({ modules, modulesRoot, compatibilityDate: "2026-07-21" });
  return {
    version: `workerd ${version}`,
    call: async (request) => {
      const body = JSON.stringify(request);
      const response = await worker.dispatchFetch("http://worker.invalid/", { method: "POST", body });
      if (!response.ok) return { error: await response.text() };
      return (await response.json()) as Answer;
    },
    close: () => worker.dispose(),
  };
});
