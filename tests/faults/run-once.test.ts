// A command is started once, whatever happens to the connection, and its result is the real one or none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { behindProxy, linesOf, rejects } from "./behind-proxy.js";
import type { Fault } from "./exchange.js";
import { head } from "./http1.js";
import type { Break } from "./wire.js";

/** It notes each start, so that a second one shows. */
const COMMAND = { args: ["-c", "echo started >> starts; seq 5; echo err >&2; exit 3"] };
const LINES = "1\n2\n3\n4\n5";
const HEAD = head(200, { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" }).length;
/** More than the first event takes, with its framing. */
const START = 100;
const quick = { reconnect: { maxDelayMs: 10 }, idleTimeout: 1 };

/** Runs the command under one fault of its connection, and returns the result. */
async function runWith(fault: Fault, work: (outcome: Promise<unknown>) => Promise<void>, starts: number) {
  await behindProxy({ faults: [fault], connectTimeout: 2 }, async ({ sandbox, direct, proxy }) => {
    await work(Promise.resolve(sandbox.run("sh", { ...COMMAND, ...quick })));
    assert.equal(proxy.requests("POST", "/run").length, 1, "the request was sent once");
    assert.equal(proxy.requests("POST", "/processes").length, 0, "and nothing like it");
    const processes = await direct.listProcesses();
    assert.equal(processes.length, starts);
    // Of a run whose answer was lost the process may not have ended yet.
    for (const { pid } of processes) await linesOf(direct.followOutput(pid));
    const { stdout } = await direct.run("sh", { args: ["-c", "cat starts || true"] });
    assert.equal(stdout, starts === 1 ? "started" : "");
  });
}

const HOW: Break["how"][] = ["reset", "finish", "stall"];
const BEFORE_START = {
  "before its head": 0,
  "in its head": 20,
  "after its head": HEAD,
  "in its start": HEAD + 20,
};

for (const how of HOW) {
  for (const [where, after] of Object.entries(BEFORE_START)) {
    test(`an answer that ends ${where} (${how}): it is unknown whether the command ran`, async () => {
      const unknown = async (outcome: Promise<unknown>) => {
        const error = await rejects(outcome, "run_outcome_unknown");
        assert.match(error.message, /unknown whether the command ran/);
        assert.equal(error.retryable, false);
        assert.ok(error.cause !== undefined, "the error says what happened");
      };
      await runWith({ connection: { how, after } }, unknown, 1);
    });
  }
  test(`an answer that ends after the start (${how}) is no loss`, async () => {
    await runWith({ connection: { how, after: HEAD + START } }, exact, 1);
  });
}

async function exact(outcome: Promise<unknown>): Promise<void> {
  const { stdout, stderr, exitCode } = (await outcome) as Record<string, unknown>;
  assert.deepEqual({ stdout, stderr, exitCode }, { stdout: LINES, stderr: "err", exitCode: 3 });
}

test("a stream that ends cleanly without an exit is no success: the run goes on by pid", async () => {
  for (const early of [START, START + 100, START + 300]) await runWith({ early }, exact, 1);
});

test("a stream that ends cleanly before the start says that the outcome is unknown", async () => {
  const unknown = async (outcome: Promise<unknown>) => {
    const error = await rejects(outcome, "stream_ended_without_exit");
    assert.match(error.message, /unknown whether it ran/);
  };
  await runWith({ early: 20 }, unknown, 1);
});

test("an answer by something in between is not tried again", async () => {
  const codes = {
    "429": "rate_limited",
    "502": "gateway",
    "502 page": "gateway",
    "503": "unavailable",
    "504": "gateway",
    page: "unexpected_content_type",
    "hang up": "run_outcome_unknown",
  } as const;
  for (const [instead, code] of Object.entries(codes)) {
    const fails = async (outcome: Promise<unknown>) => {
      await rejects(outcome, code);
    };
    await runWith({ instead: instead as keyof typeof codes }, fails, 0);
  }
});

test("a connection that is refused was no attempt: the run is sent when there is one", async () => {
  await behindProxy({}, async ({ sandbox, direct, proxy }) => {
    const refused = proxy.refuse(50);
    await exact(Promise.resolve(sandbox.run("sh", COMMAND)));
    await refused;
    assert.equal((await direct.listProcesses()).length, 1);
  });
});

test("where there is no `run`, the start is sent once", async () => {
  const faults: Fault[] = [{}, { connection: { how: "reset", after: 10 } }];
  await behindProxy({ peer: "daemon", faults }, async ({ sandbox, direct, proxy }) => {
    await rejects(sandbox.run("sh", { ...COMMAND, ...quick }), "run_outcome_unknown");
    assert.equal(proxy.requests("POST", "/processes").length, 1);
    assert.equal((await direct.listProcesses()).length, 1);
  });
  await behindProxy({ peer: "daemon" }, async ({ sandbox }) => {
    await exact(Promise.resolve(sandbox.run("sh", COMMAND)));
  });
});

test("a run that cannot be continued says what it had", async () => {
  const faults: Fault[] = [{ connection: { how: "reset", after: 700 } }, { instead: "503" }];
  await behindProxy({ faults, forever: true }, async ({ sandbox }) => {
    const options = { args: ["-c", "seq 100; sleep 1000"], reconnect: { maxAttempts: 2, maxDelayMs: 10 } };
    const { partial, message } = await rejects(sandbox.run("sh", options), "stream_broken");
    assert.match(message, /could not be continued by pid/);
    assert.equal(typeof partial?.pid, "number");
    assert.match(partial?.stdout ?? "", /^1\n2\n3(\n\d+)*$/);
    assert.ok(!("exitCode" in (partial ?? {})), "there is no exit code");
  });
});
