import assert from "node:assert/strict";
import { test } from "node:test";
import { Miniflare } from "miniflare";
import { Sandbox } from "shoreline";
import { startLocal } from "shoreline/local";
import { scriptedModel } from "../../helpers/model.js";
import { workerModules } from "../../helpers/workerd.js";
import { copied } from "../program.js";

test(
  "agent-worker.ts: each turn of a conversation in a Worker of its own",
  { timeout: 300_000 },
  async (t) => {
    await using server = await startLocal();
    const model = await scriptedModel();
    t.after(model.close);
    const source = copied("agent-worker.ts");
    const modulesRoot = `${source}.built`;
    const modules = await workerModules(source, modulesRoot);
    const bindings = {
      TENSORLAKE_API_KEY: server.apiKey,
      TENSORLAKE_API_URL: server.url,
      MODEL_URL: model.url,
      MODEL_API_KEY: "key",
    };
    interface State {
      sandboxId?: string;
      messages: { content: string | null }[];
      done?: boolean;
      error?: string;
    }
    let state: State = { messages: [{ role: "user", content: "Add 1, 2 and 3." } as { content: string }] };
    for (let turn = 1; !state.done; turn++) {
      assert.ok(turn <= model.turns, JSON.stringify(state));
      const worker = new Miniflare({ modules, modulesRoot, compatibilityDate: "2026-07-21", bindings });
      try {
        const body = JSON.stringify(state);
        state = (await (await fetch(await worker.ready, { method: "POST", body })).json()) as State;
      } finally {
        await worker.dispose();
      }
      assert.equal(state.error, undefined);
    }
    assert.equal(state.messages.at(-1)?.content, "It prints 6.");
    const all = await Sandbox.list({ apiUrl: server.url, apiKey: server.apiKey });
    assert.deepEqual(
      all.map(({ sandboxId }) => sandboxId),
      [state.sandboxId],
    );
  },
);
