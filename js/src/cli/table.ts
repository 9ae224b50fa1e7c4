// Tables: columns on a terminal, tabs elsewhere, as scripts have them from the official program.
import { printable } from "../printable.js";

/** Prints rows under a head. */
export async function printTable(head: string[], rows: string[][]): Promise<void> {
  for (const line of await tableLines(head, rows)) process.stdout.write(`${line}\n`);
}

/** The lines of a table for standard output. */
export async function tableLines(head: string[], rows: string[][]): Promise<string[]> {
  const lines = [head, ...rows.map((row) => row.map((cell) => printable(cell)))];
  if (!process.stdout.isTTY) return lines.map((line) => line.join("\t"));
  // How wide characters are is a large table, which is loaded where it is needed.
  const { columns } = await import("./columns.js");
  return columns(lines);
}
