// What ends a call that would otherwise go on, or end too early.
import { type RunOptions, type ShorelineError } from "shoreline";
import { ended, equal, rejects, sandboxOf, test } from "./harness.js";
import { answer, events, EXITED, line, once, STARTED } from "./peer.js";

test("a server that only sends keep-alives and closes is given up after maxAttempts", async () => {
  const { sandbox, sent } = await sandboxOf(() => Promise.resolve(events([": keep-alive\n\n"])));
  const reconnect = { maxAttempts: 2, maxDelayMs: 1 };
  await rejects(ended(sandbox.followOutput(42, { reconnect })), "stream_broken");
  equal(sent.length, 3);
});

test("an exit that is followed by a break is no end of the output: the rest is had by pid", async () => {
  const mark = 'event: exit\ndata: {"exit_code":0,"line_count":2}\n\n';
  const { sandbox, sent } = await sandboxOf((_, init) =>
    Promise.resolve(
      init?.method === "POST"
        ? events([STARTED, line("a"), EXITED], { cut: true })
        : events([line("a"), line("b"), mark].map((text) => `event: output\n${text}`)),
    ),
  );
  const { stdout, exitCode } = await sandbox.run("ls");
  equal([stdout, exitCode, sent.length], ["a\nb", 0, 2]);
  const { sandbox: gone } = await sandboxOf((_, init) =>
    Promise.resolve(
      init?.method === "POST"
        ? events([STARTED, line("a"), EXITED], { cut: true })
        : answer(null, "text/plain", 404),
    ),
  );
  equal((await rejects(gone.run("ls", once), "stream_broken")).partial?.stdout, "a");
});

test("a run that the client cannot read any further ends its command, unless it is to be detached", async () => {
  const malformed = 'data: {"line":5}\n\n';
  const cases: [string, RunOptions, ShorelineError["code"], boolean][] = [
    [malformed, {}, "malformed_event", true],
    [line("x".repeat(100)), { maxLineBytes: 10 }, "line_too_long", true],
    [malformed, { onAbort: "detach" }, "malformed_event", false],
    [EXITED + malformed, {}, "malformed_event", false],
  ];
  for (const [last, options, code, ends] of cases) {
    let told!: (request: string) => void;
    const killed = new Promise<string>((resolve) => (told = resolve));
    const { sandbox, sent } = await sandboxOf((url, init) => {
      if (init?.method === "POST") return Promise.resolve(events([STARTED, line("a"), last]));
      told(`${init?.method} ${url as string}`);
      return Promise.resolve(answer(null, undefined, 204));
    });
    const error = await rejects(sandbox.run("ls", options), code);
    equal([error.partial?.stdout, error.partial?.pid], ["a", 42]);
    if (ends) equal(await killed, "DELETE http://peer.invalid/api/v1/processes/42");
    await sandbox.health().catch(() => undefined);
    equal(sent.length, ends ? 3 : 2, code);
  }
});
