// Serves the page, and a local sandbox server that answers it: any web server can do the first.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { startLocal } from "shoreline/local";

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const here = new URL("./", import.meta.url);
const installed = new URL("./", import.meta.resolve("shoreline/package.json"));

/** The file that a path means, of this folder or, below /shoreline/, of the package. */
function fileOf(path) {
  const inPackage = /^\/shoreline\/(pkg\/(?:\w+\/)*[\w-]+\.(?:js|wasm))$/.exec(path)?.[1];
  if (inPackage) return new URL(inPackage, installed);
  const name = { "/": "index.html", "/main.js": "main.js" }[path];
  return name && new URL(name, here);
}

const pages = createServer(async (request, response) => {
  const file = fileOf(request.url.split("?")[0]);
  const bytes = file && (await readFile(file).catch(() => undefined));
  if (!bytes) return response.writeHead(404).end();
  response.setHeader("Content-Type", types[extname(file.pathname)]).end(bytes);
});
await new Promise((resolve) => pages.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", resolve));

const origin = `http://127.0.0.1:${pages.address().port}`;
const server = await startLocal({ allowOrigins: [origin] });
console.log(`Open ${origin}\nServer: ${server.url}\nKey: ${server.apiKey}`);
