// POST /agent with a task: an agent works on it in a sandbox of its own. The answer says what it did.
import { Sandbox } from "shoreline";
import { sandboxTools } from "shoreline/agents";

export const runtime = "nodejs";
export const maxDuration = 300;

export async function POST(request) {
  const messages = [{ role: "user", content: await request.text() }];
  const sandbox = await Sandbox.create({ timeoutSecs: 600 });
  try {
    const tools = sandboxTools(sandbox, { maxResultBytes: 10_000, commandTimeout: 60 });
    for (let turn = 1; turn <= 20; turn++) {
      const message = await answerTo(messages, tools, request.signal);
      messages.push(message);
      if (!message.tool_calls) return Response.json({ answer: message.content, turns: turn });
      for (const { id, function: call } of message.tool_calls) {
        const tool = tools.find(({ name }) => name === call.name);
        const result = await tool?.execute(parsed(call.arguments), { signal: request.signal });
        const content = result?.text ?? `There is no tool ${call.name}.`;
        messages.push({ role: "tool", tool_call_id: id, content });
      }
    }
    return Response.json({ error: "it was not done in 20 turns" }, { status: 500 });
  } finally {
    await sandbox.terminate();
  }
}

/** Asks a model by OpenAI's chat completions. */
async function answerTo(messages, tools, signal) {
  const functions = tools.map(({ name, description, inputSchema: parameters }) => ({
    type: "function",
    function: { name, description, parameters },
  }));
  const answer = await fetch(process.env.MODEL_URL, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${process.env.MODEL_API_KEY}` },
    body: JSON.stringify({ messages, tools: functions }),
    signal,
  });
  if (!answer.ok) throw new Error(`the model answered ${answer.status}`);
  return (await answer.json()).choices[0].message;
}

/** The input of a call; a text that is not JSON is refused by the tool. */
function parsed(input) {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}
