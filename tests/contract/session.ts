// Shells that keep their state, and handles that go on elsewhere.
import { type Process, type ProcessJSON, Sandbox, type ShellJSON, type ShellSession } from "shoreline";
import { equal, ok, rejects, sha256, test } from "./harness.js";

/** What a line has written, and how it ended. */
async function said(
  shell: ShellSession,
  line: string,
): Promise<[string, string, number | null, number | null]> {
  const { stdout, stderr, exitCode, signal } = await shell.run(line);
  return [stdout, stderr, exitCode, signal];
}

/** Whether this runtime loads code on first use: service workers do not. */
async function opened(
  sandbox: Sandbox,
  ...given: Parameters<Sandbox["shell"]>
): Promise<ShellSession | undefined> {
  const isWorker =
    "ServiceWorkerGlobalScope" in globalThis && (globalThis as { clients?: unknown }).clients !== undefined;
  const shell = sandbox.shell(...given);
  if (!isWorker) return shell;
  await rejects(shell, "missing_capability");
  return undefined;
}

test("a shell keeps directory, variables, functions and options from line to line", async ({ sandbox }) => {
  const shell = await opened(sandbox, { workingDir: "/usr", env: { A: "a b" } });
  if (!shell) return;
  equal(shell.kind, "bash");
  equal(await said(shell, 'pwd; echo "$A"'), ["/usr\na b", "", 0, null]);
  await shell.run(
    [
      "cd /; f() { echo f $1 $x; }; export -f f; x=5; unset A; export B='two",
      "lines'; list=(1 '2 3'); declare -A map=([k]=$'v\\nw' [l]=); alias ll='echo ll'; IFS=,",
      "shopt -s extglob expand_aliases; set -o pipefail; umask 027; readonly ro=1; declare -i num=3",
    ].join("\n"),
  );
  equal(
    (await said(shell, 'f hi; bash -c "f sub"; pwd; echo "${A-unset} ${#list[@]} ${map[k]} $ro"'))[0],
    "f hi 5\nf sub\n/\nunset 2 v\nw 1",
  );
  equal(
    (
      await said(shell, 'll; umask; num+=1; echo $num; false | true; echo $?; v=a,b; printf "<%s>" $v "$B"')
    )[0],
    "ll\n0027\n4\n1\n<a><b><two\nlines>",
  );
  equal(await said(shell, "set -eu; false; echo no"), ["", "", 1, null]);
  equal(await said(shell, "echo $-; set +eu; echo $x"), ["ehuB\n5", "", 0, null]);
  // What is printed is the line's own.
  equal(await said(shell, "set -x"), ["", "", 0, null]);
  equal(await said(shell, "echo traced; set +x"), ["traced", "++ echo traced\n++ set +x", 0, null]);
  const [, trouble, code] = await said(shell, "for i in; do");
  equal(code, 2);
  ok(trouble.includes("syntax error"), trouble);
  await shell.close();
  equal((await sandbox.run("ls", { args: [shell.toJSON().path] })).exitCode, 2);
  let message = "";
  try {
    void shell.run("true");
  } catch (error) {
    message = String(error);
  }
  ok(message.includes("closed"), message);
});

test("a line that exits, is interrupted or killed does not end the shell", async ({ sandbox }) => {
  const shell = await opened(sandbox);
  if (!shell) return;
  equal((await said(shell, "x=1; exit 7"))[2], 7);
  equal((await said(shell, "echo $x; trap 'echo bye' EXIT; x=2"))[0], "1\nbye");
  const waiting = shell.run("x=3; cd /usr; sleep 1000 & echo up; sleep 1000; echo never");
  for await (const { line } of waiting) {
    equal(line, "up");
    await waiting.kill("SIGINT");
  }
  equal([(await waiting).exitCode, (await waiting).signal], [null, 2]);
  const looping = shell.run("x=4; echo up; while :; do :; done");
  await looping.waitForLine("up");
  await looping.kill("SIGINT");
  equal((await looping).signal, 2);
  equal((await said(shell, "echo $x $PWD"))[0], "4 /usr");
  const late = await shell.run("x=5; sleep 1000", { timeout: 0.2 });
  equal([late.timedOut, late.signal], [true, 9]);
  // The state of before.
  equal((await said(shell, "echo $x"))[0], "4");
  // Output that looks like anything is output; input is the line's own.
  const { stdout } = await shell.run("cat; printf '\\033[6n$ '; cat state", {
    input: "__shoreline_saved=1\n",
  });
  ok(stdout.startsWith("__shoreline_saved=1\n\u001b[6n$ "), stdout);
  await shell.close();
});

test("lines of one shell run one after the other, several shells side by side", async ({ sandbox }) => {
  const [one, other] = [await opened(sandbox), await opened(sandbox)];
  if (!one || !other) return;
  const both = await Promise.all([
    one.run("n=1; sleep 0.3"),
    other.run("n=10"),
    one.run("n=$((n + 1)); false"),
    one.run("echo $n"),
    other.run("echo $n"),
  ]);
  equal(
    both.map(({ stdout }) => stdout),
    ["", "", "", "2", "10"],
  );
  const json = JSON.stringify(one);
  ok(json.length <= 300, json);
  const again = await sandbox.shell(JSON.parse(json) as ShellJSON);
  equal((await said(again, "echo $n"))[0], "2");
  for (const wrong of [
    { ...one.toJSON(), sandboxId: "another" },
    { ...one.toJSON(), kind: "zsh" as never },
    { cwd: "/" } as never,
  ])
    await rejects(sandbox.shell(wrong), "invalid_argument");
  for (const [line, options] of [
    ["x".repeat(200_000)],
    ["a\0b"],
    [7 as never],
    ["true", { workingDir: "/" } as never],
  ] as [string, undefined][]) {
    const call = Promise.resolve().then(() => one.run(line, options));
    await rejects(call, "invalid_argument");
  }
  await rejects(one.run("true", { timout: 1 } as never), "invalid_argument");
  equal((await said(one, "echo on"))[0], "on");
  await Promise.all([one.close(), other.close()]);
});

test("a shell without bash keeps directory and variables", async ({ sandbox }) => {
  const tools = "sh mktemp mv rm cat env";
  await sandbox.run("sh", {
    args: [
      "-c",
      `mkdir -p "$1"; for x in ${tools}; do ln -sf "$(command -v $x)" "$1/"; done`,
      "sh",
      "/tmp/few-tools",
    ],
  });
  const shell = await opened(sandbox, { env: { PATH: "/tmp/few-tools" } });
  if (!shell) return;
  equal(shell.kind, "sh");
  await shell.run("cd /usr; x='a  b'; export B=\"it's\n2\"; exit 3");
  equal(await said(shell, 'pwd; echo "$x$B"; sh -c \'echo "$B"\''), [
    "/usr\na  bit's\n2\nit's\n2",
    "",
    0,
    null,
  ]);
  equal((await said(shell, "set -e; cd /; false; echo no"))[2], 1);
  equal((await said(shell, "pwd"))[0], "/");
  await shell.close();
});

test("150 handles in a row, each made of the last one's text, give each line once", async ({
  sandbox,
  url,
  apiKey,
}) => {
  const count = 3000;
  const script = `for i in $(seq ${count}); do echo line $i; [ $((i % 20)) = 0 ] && read go; done; echo started >> "$1"`;
  const mark = `/tmp/started-${crypto.randomUUID()}`;
  const process: Process = await sandbox.startProcess("sh", {
    args: ["-c", script, "sh", mark],
    stdinMode: "pipe",
  });
  let json = JSON.stringify(process);
  let text = "";
  for (let handle = 0; handle < 150; handle++) {
    ok(json.length <= 300, json);
    const known = JSON.parse(json) as ProcessJSON;
    const { sandboxId } = known;
    const elsewhere = await Sandbox.connect({ sandboxId, apiUrl: url, apiKey });
    const again = elsewhere.process(known);
    await again.stdin.getWriter().write("\n");
    const output = again.output();
    for (let taken = 0; taken < 20; taken++) text += (await output.next()).value?.text ?? "";
    json = JSON.stringify(again);
    await output.return();
  }
  equal((await process.wait()).exitCode, 0);
  const whole = Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join("");
  equal(await sha256(text), await sha256(whole));
  equal((await sandbox.run("cat", { args: [mark] })).stdout, "started");
});
