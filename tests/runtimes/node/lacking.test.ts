// What a runtime, or what is around a program, may lack: each is one error that names it and what to do.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const packed = join(process.cwd(), "target", "packed");

/** What a program prints that imports the package, in a Node of its own. */
function printed(source: string, cwd = packed): string {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", source], {
    cwd,
    encoding: "utf8",
    timeout: 180_000,
  });
  assert.equal(stderr, "");
  return stdout;
}

const connect = `
  await Sandbox.connect({ sandboxId: "a", proxyUrl: "http://a.invalid", apiKey: "key", maxRetries: 0, ...more }).then((sandbox) => sandbox.health()).then(
    () => console.log("connected"),
    (error) => console.log(error.name, error.code, error.message),
  );`;

test("nothing is fetched or compiled by an import", () => {
  const out = printed(`
    for (const name of ["Module", "Instance", "compile", "instantiate", "compileStreaming", "instantiateStreaming"])
      WebAssembly[name] = () => { throw new Error(name); };
    globalThis.fetch = () => { throw new Error("fetch"); };
    for (const name of ["shoreline", "shoreline/inline", "shoreline/slim"]) console.log(typeof (await import(name)).Sandbox);`);
  assert.equal(out, "function\n".repeat(3));
});

test("a runtime without WebAssembly", () => {
  const out = printed(`
    delete globalThis.WebAssembly;
    const { Sandbox } = await import("shoreline");
    const more = {};${connect}`);
  assert.match(out, /^CoreError core_unavailable .*this runtime has no WebAssembly/);
});

test("a fetch that does not stream", () => {
  const out = printed(`
    import { Sandbox } from "shoreline";
    const headers = new Headers({ "Content-Type": "application/json" });
    const more = { fetch: async () => ({ ok: true, status: 200, headers, text: async () => "{}" }) };${connect}`);
  assert.match(out, /^UsageError missing_capability .*does not stream.*\`fetch\` option/);
});

test("a runtime without fetch", () => {
  const out = printed(`
    import { Sandbox } from "shoreline";
    delete globalThis.fetch;
    const more = {};${connect}`);
  assert.match(out, /^UsageError missing_capability .*no global \`fetch\`.*\`fetch\` option/);
});

test("slim without a module, then with one that fails, then with one", () => {
  const out = printed(`
    import { readFileSync } from "node:fs";
    import { fileURLToPath } from "node:url";
    import { Sandbox, useModule } from "shoreline/slim";
    const more = { fetch: async () => Response.json({ healthy: true }) };
    ${connect}
    useModule(() => Promise.reject(new Error("not yet")));
    ${connect}
    useModule(() => readFileSync(fileURLToPath(import.meta.resolve("shoreline/shoreline.wasm"))));
    ${connect}`);
  assert.match(out, /^CoreError core_unavailable .*useModule.*\nCoreError .*not yet\nconnected\n$/);
});

test("entries that are imported together: the module that the program gives is used, whatever the order", () => {
  for (const imports of [
    ["slim", ""],
    ["", "slim"],
  ]) {
    const out = printed(`
      import { readFileSync } from "node:fs";
      import { fileURLToPath } from "node:url";
      ${imports.map((name) => `import "${["shoreline", name].filter(Boolean).join("/")}";`).join("\n")}
      import { Sandbox, useModule } from "shoreline/slim";
      const more = { fetch: async () => Response.json({ healthy: true }) };
      useModule(() => {
        console.log("asked");
        return readFileSync(fileURLToPath(import.meta.resolve("shoreline/shoreline.wasm")));
      });
      await import("shoreline/inline");
      ${connect}`);
    assert.equal(out, "asked\nconnected\n");
  }
});

test("a file that a bundler has left behind", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "shoreline-"));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  cpSync(join(packed, "node_modules"), join(directory, "node_modules"), { recursive: true });
  rmSync(join(directory, "node_modules", "shoreline", "pkg", "core", "shoreline_bg.wasm"));
  const from = (name: string, other = name) =>
    printed(
      `import { Sandbox } from "${name}"; import "${other}"; const more = { fetch: async () => Response.json({ healthy: true }) };${connect}`,
      directory,
    );
  assert.match(from("shoreline"), /^CoreError core_unavailable .*import "shoreline\/inline"/);
  assert.equal(from("shoreline/inline"), "connected\n");
  for (const [first, second] of [
    ["shoreline", "shoreline/inline"],
    ["shoreline/inline", "shoreline"],
  ] as const)
    assert.equal(from(first, second), "connected\n", `${first}, then ${second}`);
});
