// A model with a script, behind an address that takes OpenAI's chat completions.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

interface Message {
  role: string;
  content: string | null;
}

/** The turns: calls of tools, and what the results of the turn before have to be. */
const TURNS: { before?: RegExp; calls: [string, unknown][] }[] = [
  { calls: [["write_file", { path: "sum.py", content: "print(sum([1, 2, '3']))\n" }]] },
  {
    calls: [
      ["run_command", { command: "python3 sum.py" }],
      ["no_such_tool", {}],
    ],
  },
  {
    before: /TypeError[^]*exited with 1[^]*no tool no_such_tool/,
    calls: [["edit_file", { path: "sum.py", old_text: "'3'", new_text: "3" }]],
  },
  { calls: [["run_command", "{not JSON"]] },
  { before: /input/, calls: [["run_command", { command: "python3 sum.py; seq 1 100000" }]] },
  { before: /^6\n1\n[^]*omitted[^]*100000\n/, calls: [] },
];

/** A task whose last turn has no calls. Answers its address and the number of its turns. */
export async function scriptedModel(): Promise<{ url: string; turns: number; close: () => void }> {
  let turn = 0;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { messages, tools } = JSON.parse(body) as { messages: Message[]; tools: unknown[] };
      assert.ok(tools.length > 10);
      const results = messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);
      const said = results.map(({ content }) => content).join("\n");
      const { before = /^/, calls } = TURNS[turn % TURNS.length] ?? { calls: [] };
      turn++;
      const content = before.test(said) ? "It prints 6." : `not as expected: ${said}`;
      const tool_calls = calls.map(([name, input], i) => ({
        id: `call-${turn}-${i}`,
        type: "function",
        function: { name, arguments: typeof input === "string" ? input : JSON.stringify(input) },
      }));
      const goesOn = before.test(said) && calls.length > 0;
      const message = { role: "assistant", content, ...(goesOn && { tool_calls }) };
      response.setHeader("Content-Type", "application/json").end(JSON.stringify({ choices: [{ message }] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, turns: TURNS.length, close: () => server.close() };
}
