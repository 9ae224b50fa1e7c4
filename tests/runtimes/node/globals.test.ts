// What shows only where functions of the runtime are replaced. The contract's cases run side by side.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox } from "shoreline";
import { Engine } from "../../contract/engine.js";
import { sandboxOf } from "../../contract/harness.js";
import { events, EXITED, line, STARTED } from "../../contract/peer.js";

const ran = () => Promise.resolve(events([STARTED, line("a"), EXITED]));

test("a clock that is set meanwhile ends no waiting, and is in no duration", async (t) => {
  const { now } = Date;
  t.after(() => {
    Date.now = now;
  });
  const engine = new Engine();
  const later = (url: string, init?: RequestInit) => {
    Date.now = () => now() + 86_400_000;
    return engine.fetch(url, init);
  };
  const made = await Sandbox.create({ apiUrl: engine.url, apiKey: "key", fetch: later });
  assert.equal(made.sandboxId, "made");
  const { sandbox } = await sandboxOf(() => {
    Date.now = now;
    return ran();
  });
  const { durationMs } = await sandbox.run("ls");
  assert.ok(durationMs > 0 && durationMs < 60_000, String(durationMs));
});

test("a run reads no member of what is not there", async (t) => {
  const { sandbox } = await sandboxOf(ran);
  const { get } = Reflect;
  t.after(() => {
    Reflect.get = get;
  });
  let thrown = 0;
  Reflect.get = ((...args: [object, PropertyKey]) => {
    try {
      return get(...args) as unknown;
    } catch (error) {
      thrown++;
      throw error;
    }
  }) as typeof get;
  assert.equal((await sandbox.run("ls")).exitCode, 0);
  assert.equal(thrown, 0);
});

test("leaving output whose transport is still being chosen does not wait for that", async (t) => {
  // A page asks whether the server has channels.
  Object.assign(globalThis, { document: {} });
  t.after(() => Reflect.deleteProperty(globalThis, "document"));
  let asked!: () => void;
  const asking = new Promise<void>((resolve) => (asked = resolve));
  const { sandbox, sent } = await sandboxOf((_, init) => {
    asked();
    return new Promise((_, reject) => {
      init?.signal?.addEventListener("abort", () => {
        reject(new TypeError("aborted"));
      });
    });
  });
  const output = sandbox.followOutput(42, { transport: "auto" });
  const next = output.next();
  await asking;
  await output.return();
  assert.equal((await next).done, true);
  assert.deepEqual(
    sent.map(({ signal }) => signal.aborted),
    [false],
  );
});
