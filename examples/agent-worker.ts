// A Cloudflare Worker with an agent. A request brings the conversation and gets it back with one more turn: no request lasts
// long, and the Worker keeps nothing. The sandbox stays from turn to turn.
import { Sandbox, ShorelineError } from "shoreline";
import { sandboxTools } from "shoreline/agents";

interface Env {
  /** Secrets: `npx wrangler secret put TENSORLAKE_API_KEY`. */
  TENSORLAKE_API_KEY: string;
  MODEL_API_KEY: string;
  /** Unset: the cloud. */
  TENSORLAKE_API_URL?: string;
  /** An address that takes OpenAI's chat completions. */
  MODEL_URL: string;
}

interface Message {
  role: "user" | "assistant" | "tool";
  content: string | null;
  tool_call_id?: string;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const given = (await request.json()) as { sandboxId?: string; messages: Message[] };
    const client = { apiKey: env.TENSORLAKE_API_KEY, apiUrl: env.TENSORLAKE_API_URL };
    try {
      const sandbox = given.sandboxId
        ? await Sandbox.connect(given.sandboxId, client)
        : await Sandbox.create({ ...client, timeoutSecs: 3600 });
      const tools = sandboxTools(sandbox, { maxResultBytes: 10_000, commandTimeout: 60, yieldAfter: 15 });
      const answer = await fetch(env.MODEL_URL, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${env.MODEL_API_KEY}` },
        body: JSON.stringify({
          messages: given.messages,
          tools: tools.map(({ name, description, inputSchema: parameters }) => ({
            type: "function",
            function: { name, description, parameters },
          })),
        }),
        signal: AbortSignal.timeout(60_000),
      });
      if (!answer.ok) return Response.json({ error: `the model answered ${answer.status}` }, { status: 502 });
      const { choices } = (await answer.json()) as { choices: [{ message: Message }] };
      const [{ message }] = choices;
      const calls = message.tool_calls ?? [];
      const results = await Promise.all(
        calls.map(async ({ id, function: { name, arguments: input } }): Promise<Message> => {
          const tool = tools.find((one) => one.name === name);
          // What is no JSON is refused by the tool, with a sentence for the model.
          const content = tool ? (await tool.execute(parsed(input))).text : `There is no tool ${name}.`;
          return { role: "tool", tool_call_id: id, content };
        }),
      );
      const messages = [...given.messages, message, ...results];
      return Response.json({ sandboxId: sandbox.sandboxId, messages, done: calls.length === 0 });
    } catch (error) {
      return Response.json({ error: ShorelineError.is(error) ? error.code : "internal" }, { status: 502 });
    }
  },
};

function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}
