// Files over HTTP, for pages in a browser.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export interface StaticServer {
  origin: string;
  close: () => Promise<void>;
}

const types: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** A page or a script, and the Content-Security-Policy that it has. */
export interface StaticPage {
  html?: string;
  script?: string;
  csp?: string;
}

/** Serves what is below `root`, a directory by its `index.html`, and `pages` by their paths. */
export async function serveFiles(root: URL, pages: Record<string, StaticPage>): Promise<StaticServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    const page = pages[pathname];
    if (page) {
      if (page.csp !== undefined) response.setHeader("Content-Security-Policy", page.csp);
      response.setHeader("Content-Type", page.html === undefined ? "text/javascript" : "text/html");
      response.end(page.html ?? page.script);
      return;
    }
    const path = pathname.replace(/\/$/, "/index.html");
    response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
    createReadStream(fileURLToPath(new URL(`.${path}`, root)))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
