// The contract suite in a browser. Its pages are of another origin than the server, so that every request
// is checked, and preflighted, as a real page's is.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { refusingPort } from "../helpers/loopback.js";
import { serveFiles, type StaticServer } from "../helpers/static.js";
import { contractIn } from "./contract.js";
import type { Call } from "./inside/page.js";

/** What is used of a browser and its pages, which all drivers have. */
export interface Browser {
  version: string;
  newPage: () => Promise<Page>;
  close: () => Promise<void>;
}
interface Page {
  goto: (url: string) => Promise<unknown>;
  evaluate: <T, A>(work: (given: A) => T, given: A) => Promise<Awaited<T>>;
}

declare const call: Call;

/** How many outputs a page follows at once. */
const OUTPUTS = 200;

/** In a page: follows processes at once, lets them go on when all have begun, and gives the SHA-256 of what they wrote. */
async function followMany(given: { sandboxId: string; apiUrl: string; apiKey: string; count: number }) {
  const { Sandbox } = await import("shoreline");
  const { sandboxId, count, ...client } = given;
  const sandbox = await Sandbox.connect(sandboxId, client);
  const begun: Promise<unknown>[] = [];
  const texts: Promise<string>[] = [];
  const pids: number[] = [];
  for (let number = 0; number < count; number++) {
    const script = 'echo "$1 begun"; cat; seq -f "$1 %.0f" 2000';
    const args = ["-c", script, "sh", String(number)];
    const { pid } = await sandbox.startProcess("sh", { args, stdinMode: "pipe" });
    pids.push(pid);
    const events = sandbox.followStdout(pid, { transport: "auto" });
    const first = events.next();
    begun.push(first);
    texts.push(
      first.then(async ({ value }) => {
        let text = value?.text ?? "";
        for await (const batch of events.batches()) text += batch.map((event) => event.text).join("");
        return text;
      }),
    );
  }
  await Promise.all(begun);
  await sandbox.run("echo", { args: ["beside them"], check: true });
  await sandbox.writeFile("beside", "them");
  for (const pid of pids) await sandbox.closeStdin(pid);
  const hex = (digest: ArrayBuffer) =>
    Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sha256 = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)).then(hex);
  return Promise.all(texts.map((text) => text.then(sha256)));
}

const PACKAGE = "/node_modules/shoreline/pkg";
/** The package's entries that pages import, as a bundler finds them. */
const IMPORTS = {
  shoreline: `${PACKAGE}/entry/browser.js`,
  "shoreline/tree": `${PACKAGE}/tree/index.js`,
};
const html = `<!doctype html><title>contract</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module" src="/tests/runtimes/inside/page.js"></script>`;
const CSP = "script-src 'self' 'unsafe-inline'";
const pages = {
  "/": { html },
  "/csp": { html, csp: CSP },
  "/csp-wasm": { html, csp: `${CSP} 'wasm-unsafe-eval'` },
};

async function serve(): Promise<StaticServer> {
  const root = new URL("../../../", import.meta.url);
  const path = "/tests/runtimes/inside/worker-script.js";
  // Workers know no import maps. Nothing is written: other browsers are tested at the same time.
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`.${path}`, root))],
    write: false,
    bundle: true,
    format: "esm",
    alias: IMPORTS,
    external: ["/node_modules/*"],
    logLevel: "warning",
  });
  return serveFiles(root, { ...pages, [path]: { script: outputFiles[0]?.text ?? "" } });
}

/** Declares the suite's tests, and those of what only pages have to do with. */
export function contractInBrowser(launch: () => Promise<Browser>): void {
  const place = process.env.SHORELINE_IN ?? "page";
  contractIn(async () => {
    const files = await serve();
    const browser = await launch();
    const page = await browser.newPage();
    await page.goto(`${files.origin}/?in=${place}`);
    return {
      version: browser.version,
      origin: files.origin,
      call: (request) => page.evaluate((asked) => call(asked), request),
      close: async () => {
        await browser.close();
        await files.close();
      },
    };
  });
  if (place === "page") onlyPages(launch);
}

function onlyPages(launch: () => Promise<Browser>): void {
  describe("what only pages have to do with", () => {
    let files: StaticServer;
    let browser: Browser;
    let page: Page;
    before(async () => {
      files = await serve();
      browser = await launch();
      page = await browser.newPage();
    });
    after(async () => {
      await browser.close();
      await files.close();
    });

    /** The result of a first call in a page. */
    const first = async (path: string) => {
      await using server = await startLocal({ allowOrigins: [files.origin] });
      await page.goto(files.origin + path);
      const request = { prepare: { url: server.url, apiKey: server.apiKey } };
      return await page.evaluate((asked) => call(asked), request);
    };

    test("a Content-Security-Policy that forbids WebAssembly: the error says which directive", async () => {
      const { error } = await first("/csp");
      assert.match(error ?? "", /CoreError: .*\(allow 'wasm-unsafe-eval' in .* script-src\)/);
    });

    test("a Content-Security-Policy that allows WebAssembly alone", async () => {
      assert.deepEqual(await first("/csp-wasm"), {});
    });

    test("a page of an origin that is not allowed cannot use the server", async () => {
      await using strict = await startLocal();
      await page.goto(files.origin);
      const get = (url: string) => fetch(url).then((response) => String(response.status), String);
      assert.match(await page.evaluate(get, `${strict.url}/sandboxes`), /^TypeError: /);
      const request = { prepare: { url: strict.url, apiKey: strict.apiKey } };
      const { error } = await page.evaluate((asked) => call(asked), request);
      assert.match(
        error ?? "",
        new RegExp(`^ConnectionError: the server answers, .* allow the origin ${files.origin}`),
      );
    });

    test("200 outputs are followed at once, each byte of them, and other calls go on beside them", async () => {
      await using server = await startLocal({ allowOrigins: [files.origin] });
      const { sandboxId } = await Sandbox.create({ apiUrl: server.url, apiKey: server.apiKey });
      await page.goto(files.origin);
      const given = { sandboxId, apiUrl: server.url, apiKey: server.apiKey, count: OUTPUTS };
      const hashes = await page.evaluate(followMany, given);
      const expected = Array.from({ length: OUTPUTS }, (_, number) => {
        const lines = Array.from({ length: 2000 }, (_, i) => `${number} ${i + 1}\n`);
        return createHash("sha256")
          .update(`${number} begun\n${lines.join("")}`)
          .digest("hex");
      });
      assert.deepEqual(hashes, expected);
    });

    test("a server that is not there is not told as one that does not allow the page", async () => {
      const { port, release } = await refusingPort();
      await page.goto(files.origin);
      const request = { prepare: { url: `http://127.0.0.1:${port}`, apiKey: "key" } };
      const { error } = await page.evaluate((asked) => call(asked), request);
      assert.match(error ?? "", /^ConnectionError: the server could not be reached/);
      release();
    });
  });
}
