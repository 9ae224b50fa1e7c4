// Beside the page, the server gives it tokens. The local server's key stays here.
import { pageToken, sharedLocal } from "shoreline/local";
import { defineConfig, type Plugin } from "vite";

const tokens: Plugin = {
  name: "tokens",
  configureServer({ middlewares }) {
    middlewares.use("/token", (request, response) => {
      // Not for pages of others, and not for programs that are no browser.
      if (request.method !== "POST" || request.headers["sec-fetch-site"] !== "same-origin") {
        response.writeHead(403).end();
        return;
      }
      grant(`http://${request.headers.host ?? ""}`).then(
        (granted) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(granted)),
        (error: unknown) => response.writeHead(503).end(String(error)),
      );
    });
  },
};

async function grant(origin: string): Promise<object> {
  const { url: apiUrl, apiKey } = await sharedLocal();
  return { apiUrl, ...(await pageToken({ apiUrl, apiKey, origin, expiresIn: 60 })) };
}

export default defineConfig({
  plugins: [tokens],
  build: { target: "es2022" },
});
