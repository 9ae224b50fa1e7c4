import { ShorelineError } from "shoreline";
import { equal, ok, test } from "./harness.js";

test("files are used as with Node's `fs`, or the error says how to load the code", async ({ sandbox }) => {
  const { fs } = sandbox;
  const path = `fs-${crypto.randomUUID()}`;
  try {
    await fs.mkdir(path);
  } catch (error) {
    ok("ServiceWorkerGlobalScope" in globalThis, "only service workers forbid `import()`");
    ok(ShorelineError.is(error) && error.code === "missing_capability", String(error));
    ok(error.message.includes('`import "shoreline/fs"`'), error.message);
    return;
  }
  await fs.writeFile(`${path}/ä`, "näh", { flag: "wx", mode: 0o600 });
  await fs.appendFile(`${path}/ä`, "!");
  equal(await fs.readFile(`${path}/ä`, "utf8"), "näh!");
  const { size, mode } = await fs.stat(`${path}/ä`);
  equal([size, mode & 0o777], [5, 0o600]);
  equal(await fs.readdir(path), ["ä"]);
  await fs.rm(path, { recursive: true });
  equal(await fs.exists(path), false);
  const error: unknown = await fs.stat(path).catch((thrown: unknown) => thrown);
  ok(ShorelineError.is(error) && error.code === "ENOENT" && error.path === path, String(error));
});
