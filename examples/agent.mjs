// An agent: a model works on a task with the tools of a sandbox. `MODEL_URL` is an address for OpenAI's chat completions.
// Run it by: node agent.mjs "Write a program that adds 1, 2 and 3, and run it."
import { Sandbox } from "shoreline";
import { sandboxTools } from "shoreline/agents";

const limit = AbortSignal.timeout(10 * 60_000); // for all of it
const sandbox = await Sandbox.create({ timeoutSecs: 3600 });
try {
  // Results have at most 20 kB: head and tail, and a cursor for the rest. A command has 2 minutes.
  const tools = sandboxTools(sandbox, { maxResultBytes: 20_000, commandTimeout: 120, yieldAfter: 30 });
  const messages = [{ role: "user", content: process.argv[2] }];
  for (let turn = 0; ; turn++) {
    if (turn === 30) throw new Error("not done in 30 turns");
    const message = await ask(messages, tools);
    messages.push(message);
    if (message.content) console.log(message.content);
    if (!message.tool_calls?.length) break;
    for (const { id, function: call } of message.tool_calls) {
      console.log(`> ${call.name} ${call.arguments}`);
      const tool = tools.find(({ name }) => name === call.name);
      // Wrong input and failing commands are results with a sentence that says what to do next.
      const result = await tool?.execute(parsed(call.arguments), { signal: limit });
      const content = result?.text ?? `There is no tool ${call.name}.`;
      console.log(content);
      messages.push({ role: "tool", tool_call_id: id, content });
    }
  }
} finally {
  await sandbox.terminate();
}

async function ask(messages, tools) {
  const functions = tools.map(({ name, description, inputSchema: parameters }) => ({
    type: "function",
    function: { name, description, parameters },
  }));
  const response = await fetch(process.env.MODEL_URL, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${process.env.MODEL_API_KEY}` },
    body: JSON.stringify({ model: process.env.MODEL, messages, tools: functions }),
    signal: limit,
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
  return (await response.json()).choices[0].message;
}

/** The input of a call. Text that is not JSON is refused by the tool. */
function parsed(input) {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}
