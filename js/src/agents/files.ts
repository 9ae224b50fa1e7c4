// Tools that read and write files.
import { ShorelineError } from "../errors.js";
import type { Sandbox } from "../sandbox.js";
import { limited } from "../waiting.js";
import { replaced } from "./edit.js";
import { Refusal } from "./failure.js";
import { readLines } from "./lines.js";
import { boolean, integer, optional, path, string } from "./schema.js";
import { bytesOf, count, within } from "./text.js";
import { result, type Shared, tool } from "./tool.js";
import type { SandboxTool } from "./types.js";

/** Seconds that a call on files may take. */
const SECONDS = 60;
/** Characters that one call writes. */
export const WRITE_CHARS = 1_000_000;
/** The largest file that is edited; a search and a replacement need it whole. */
const EDIT_BYTES = 10_000_000;
const LINES = 2000;
/** Entries of a directory that are listed. */
const ENTRIES = 1000;
const FOOTER = 300;

/** Does something with files in the time that a call may take. */
export const quickly = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) =>
  limited({ signal, timeout: SECONDS }, "the files could not be read or written", work);

export function fileTools(shared: Shared): SandboxTool[] {
  return [
    tool(
      {
        name: "read_file",
        title: "Read a file",
        description: `Reads lines of a text file, ${LINES} at most and as many as fit into a result. The result says which lines it has, and whether there are more.`,
        input: {
          path: path("The file"),
          first_line: optional(integer("The first line, from 1.", 1, 1_000_000_000), 1),
          max_lines: optional(integer("The most lines.", 1, LINES), LINES),
        },
        output: {
          path: result.string("The file."),
          content: result.string("The lines as they are in the file."),
          first_line: result.integer("The number of the first line."),
          last_line: result.integer("The number of the last line."),
          more: result.boolean("Whether the file has lines after these."),
          size_bytes: result.integer("The size of the file."),
        },
        annotations: {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "others",
        run: ({ path, first_line = 1, max_lines = LINES }, { sandbox, signal }) =>
          quickly(signal, async (signal) => {
            const { size } = await fileAt(sandbox, path, signal);
            const place = path.split("/").includes("..") ? await sandbox.fs.realpath(path, { signal }) : path;
            const stream = await sandbox.readFileStream(place, { signal });
            const budget = shared.maxResultBytes - FOOTER;
            const { content, last, more, isCut } = await readLines(stream, first_line, max_lines, budget);
            const none = last < first_line;
            if (none && first_line > 1)
              throw new Refusal(
                "invalid_input",
                `${path} has ${count(last, "line")}: choose a first_line up to that.`,
              );
            const gap = content === "" || content.endsWith("\n") ? "" : "\n";
            const lines = none ? "the file is empty" : `lines ${first_line} to ${last}`;
            const notes = [
              ...(isCut
                ? [
                    `line ${last} is longer than a result, and was cut: see more of it with run_command and cut -c`,
                  ]
                : []),
              ...(more ? [`more follows: read on with first_line ${last + 1}`] : []),
            ];
            return {
              text: `${content}${gap}[${[lines, ...notes].join("; ")}]`,
              structured: { path, content, first_line, last_line: last, more, size_bytes: size },
              isError: false,
            };
          }),
      },
      shared,
    ),
    tool(
      {
        name: "write_file",
        title: "Write a file",
        description: `Writes text to a file, up to ${WRITE_CHARS.toLocaleString("en-US")} characters. Replaces a file that exists, unless append is set; makes missing directories. To change a part of a file use edit_file.`,
        input: {
          path: path("The file"),
          content: string("The text, with its final line end.", { minLength: 0, maxLength: WRITE_CHARS }),
          append: optional(boolean("Adds the text to the end of the file.")),
        },
        output: { path: result.string("The file."), bytes: result.integer("Bytes that were written.") },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: false,
          openWorldHint: false,
        },
        lane: "others",
        run: ({ path, content, append = false }, { sandbox, signal }) =>
          shared.changes.run(signal, () =>
            quickly(signal, async (signal) => {
              const options = { flag: append ? "a" : "w", signal } as const;
              try {
                await sandbox.fs.writeFile(path, content, options);
              } catch (error) {
                const above = /^(.+)\/[^/]+$/s.exec(path)?.[1];
                if (!ShorelineError.is(error) || error.code !== "ENOENT" || above === undefined) throw error;
                await sandbox.fs.mkdir(above, { recursive: true, signal });
                await sandbox.fs.writeFile(path, content, options);
              }
              const bytes = bytesOf(content);
              return {
                text: `${append ? "Added" : "Wrote"} ${count(bytes, "byte")} to ${path}.`,
                structured: { path, bytes },
                isError: false,
              };
            }),
          ),
      },
      shared,
    ),
    tool(
      {
        name: "edit_file",
        title: "Edit a file",
        description:
          "Replaces text in a file. old_text must be in the file exactly as given, white space and line ends included, and exactly once: add lines around it until it is. With replace_all every occurrence is replaced.",
        input: {
          path: path("The file"),
          old_text: string("The text to replace.", { maxLength: WRITE_CHARS }),
          new_text: string("The text in its place.", { minLength: 0, maxLength: WRITE_CHARS }),
          replace_all: optional(boolean("Replaces every occurrence.")),
        },
        output: {
          path: result.string("The file."),
          replacements: result.integer("How many occurrences were replaced."),
          first_line: result.integer("The line at which the first of them begins."),
        },
        annotations: {
          readOnlyHint: false,
          destructiveHint: true,
          idempotentHint: false,
          openWorldHint: false,
        },
        lane: "others",
        run: ({ path, old_text, new_text, replace_all = false }, { sandbox, signal }) =>
          shared.changes.run(signal, () =>
            quickly(signal, async (signal) => {
              const { size } = await fileAt(sandbox, path, signal);
              if (size > EDIT_BYTES)
                throw new Refusal(
                  "payload_too_large",
                  `${path} has ${count(size, "byte")}, and files of more than ${count(EDIT_BYTES, "byte")} are not edited. Use run_command with sed.`,
                );
              const bytes = await sandbox.fs.readFile(path, { signal });
              const { text, replacements, line } = replaced(path, bytes, old_text, new_text, replace_all);
              await sandbox.fs.writeFile(path, text, { signal });
              return {
                text: `Replaced ${count(replacements, "occurrence")} in ${path}, the first in line ${line}.`,
                structured: { path, replacements, first_line: line },
                isError: false,
              };
            }),
          ),
      },
      shared,
    ),
    tool(
      {
        name: "list_directory",
        title: "List a directory",
        description: `Lists the names in a directory, sorted, ${ENTRIES} at most. A directory's name ends with /, a link's with @. For directories below it use find_files.`,
        input: { path: optional(path("The directory"), ".") },
        output: {
          path: result.string("The directory."),
          entries: result.list("The entries.", {
            type: "object",
            properties: {
              name: { type: "string", description: "The name." },
              type: { type: "string", description: "file, directory, link or other." },
            },
          }),
          truncated: result.boolean("Whether there are more entries."),
        },
        annotations: {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false,
        },
        lane: "others",
        run: ({ path = "." }, { sandbox, signal }) =>
          quickly(signal, async (signal) => {
            const found = await sandbox.fs.readdir(path, { withFileTypes: true, signal });
            const entries = found
              .map((entry) => ({
                name: entry.name,
                type: entry.isDirectory()
                  ? "directory"
                  : entry.isSymbolicLink()
                    ? "link"
                    : entry.isFile()
                      ? "file"
                      : "other",
              }))
              .sort((a, b) => (a.name < b.name ? -1 : 1))
              .slice(0, ENTRIES);
            const mark: Record<string, string> = { directory: "/", link: "@" };
            const rows = within(
              entries.map(({ name, type }) => `${name}${mark[type] ?? ""}`),
              shared.maxResultBytes - FOOTER,
            );
            const left = found.length - rows.length;
            const more = left > 0 ? `\n[${left} more: narrow it down with find_files]` : "";
            return {
              text: found.length === 0 ? "[The directory is empty.]" : rows.join("\n") + more,
              structured: { path, entries: entries.slice(0, rows.length), truncated: left > 0 },
              isError: false,
            };
          }),
      },
      shared,
    ),
  ];
}

/** The status of a regular file. */
async function fileAt(sandbox: Sandbox, path: string, signal: AbortSignal) {
  const found = await sandbox.fs.stat(path, { signal });
  if (found.isDirectory())
    throw new Refusal("EISDIR", `${path} is a directory: use list_directory, or name a file in it.`);
  if (!found.isFile())
    throw new Refusal("ENXIO", `${path} is a FIFO, a socket or a device: use run_command with a time limit.`);
  return found;
}
