// A program for what has standard input and output: a line of JSON for each request and its answer.
import process from "node:process";
import { createInterface } from "node:readline";
import { answer, type Request } from "./answer.js";

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, request } = JSON.parse(line) as { id: number; request: Request };
  void answer(request).then((given) => {
    process.stdout.write(`${JSON.stringify({ id, ...given })}\n`);
  });
});
