// VitePress's settings. scripts/site.mjs puts this file beside the pages and the sidebar that it makes.
import { readFileSync } from "node:fs";
import { slug } from "github-slugger";
import { defineConfig } from "vitepress";

const sidebar = JSON.parse(readFileSync(new URL("sidebar.json", import.meta.url), "utf8"));

export default defineConfig({
  title: "Shoreline",
  description: "Run commands in remote sandboxes from any JavaScript runtime",
  base: process.env.SITE_BASE ?? "/",
  srcDir: "pages",
  outDir: "../site",
  head: [["link", { rel: "icon", href: "data:," }]],
  // The index of the search, which is loaded when somebody searches.
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  markdown: {
    languageAlias: { mjs: "js" },
    // The anchors that links have on GitHub too.
    anchor: { slugify: (heading) => slug(heading) },
    // GitHub makes links of addresses with a scheme only; `main.rs` is no domain.
    config: (markdown) => markdown.linkify.set({ fuzzyLink: false }),
  },
  themeConfig: {
    nav: [
      { text: "Guides", link: "/docs/" },
      { text: "API", link: "/docs/reference/" },
      { text: "Examples", link: "/examples/" },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
  },
});
