// Tools that search files.
import type { Search } from "../file-search.js";
import { quickly } from "./files.js";
import { boolean, integer, optional, path, string } from "./schema.js";
import { within } from "./text.js";
import { result, type Shared, tool } from "./tool.js";
import type { SandboxTool, ToolAnnotations } from "./types.js";

const RESULTS = 1000;
const USUAL = 200;
const LINE_BYTES = 300;
const FOOTER = 200;

const LOOKS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
const COMMON = {
  path: optional(path("The directory to search"), "."),
  hidden: optional(boolean("Also searches names that begin with a dot.")),
  ignored: optional(boolean("Also searches what .gitignore and .ignore files leave out.")),
  limit: optional(integer("The most results.", 1, RESULTS), USUAL),
};
const PATTERN = { minLength: 1, maxLength: 4096 };

export function searchTools(shared: Shared): SandboxTool[] {
  const budget = shared.maxResultBytes - FOOTER;
  return [
    tool(
      {
        name: "find_files",
        title: "Find files",
        description:
          "Finds files and directories by a pattern of their paths, for example **/*.ts or src/**/test_*.py. The patterns have *, ?, [a-z], {a,b} and ** for any directories. Paths are relative to path.",
        input: { pattern: string("The pattern.", PATTERN), ...COMMON },
        output: {
          paths: result.list("The paths.", { type: "string" }),
          truncated: result.boolean("Whether there are more."),
        },
        annotations: LOOKS,
        lane: "others",
        run: ({ pattern, path = ".", hidden = false, ignored = false, limit = USUAL }, { sandbox, signal }) =>
          quickly(signal, async (signal) => {
            const options = { cwd: path, hidden, ignoreFiles: !ignored, limit, signal };
            const { found, more } = await all(sandbox.fs.glob(pattern, options));
            const paths = within(found.sort(), budget);
            const truncated = more || paths.length < found.length;
            return {
              text: listed(paths, truncated, "No path matches the pattern."),
              structured: { paths, truncated },
              isError: false,
            };
          }),
      },
      shared,
    ),
    tool(
      {
        name: "search_files",
        title: "Search in files",
        description:
          "Finds lines of text files by a regular expression, as ripgrep does. Results are path:line: text, with paths relative to path.",
        input: {
          pattern: string("The regular expression, in the syntax of Rust: for example TODO|FIXME.", PATTERN),
          glob: optional(string("Only files whose paths match this pattern, for example *.ts.", PATTERN)),
          fixed_strings: optional(boolean("Takes the pattern as plain text.")),
          ignore_case: optional(boolean("Takes upper and lower case for the same.")),
          ...COMMON,
        },
        output: {
          matches: result.list("The lines.", {
            type: "object",
            properties: {
              path: { type: "string", description: "The file." },
              line: { type: "integer", description: "The number of the line, from 1." },
              text: { type: "string", description: "The line, cut if it is long." },
            },
          }),
          truncated: result.boolean("Whether there are more."),
        },
        annotations: LOOKS,
        lane: "others",
        run: (input, { sandbox, signal }) =>
          quickly(signal, async (signal) => {
            const { pattern, path = ".", hidden = false, ignored = false, limit = USUAL } = input;
            const { found, more } = await all(
              sandbox.fs.grep(pattern, {
                ...{ cwd: path, hidden, ignoreFiles: !ignored, limit, signal },
                ...{ glob: input.glob, fixedStrings: input.fixed_strings, ignoreCase: input.ignore_case },
                maxLineBytes: LINE_BYTES,
              }),
            );
            found.sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
            const rows = within(
              found.map((match) => `${match.path}:${match.line}: ${match.text}${match.cut ? "…" : ""}`),
              budget,
            );
            const matches = found.slice(0, rows.length).map(({ path, line, text }) => ({ path, line, text }));
            const truncated = more || rows.length < found.length;
            return {
              text: listed(rows, truncated, "No line matches."),
              structured: { matches, truncated },
              isError: false,
            };
          }),
      },
      shared,
    ),
  ];
}

/** Every result, and whether there are more. */
async function all<T>(search: Search<T>): Promise<{ found: T[]; more: boolean }> {
  const found: T[] = [];
  for await (const each of search) found.push(each);
  return { found, more: search.summary?.truncated ?? false };
}

function listed(rows: string[], truncated: boolean, none: string): string {
  if (rows.length === 0) return `[${none}]`;
  return `${rows.join("\n")}${truncated ? "\n[There are more: narrow the search down, or raise the limit.]" : ""}`;
}
