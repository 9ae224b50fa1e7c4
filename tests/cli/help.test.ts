// What the program says about its use.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after } from "node:test";
import { test } from "../helpers/processes.js";
import { environment, shoreline } from "./program.js";

test("the help of a command has examples, and says where the options of every command are", async () => {
  const { stdout, code } = await shoreline("cp", "--help");
  assert.equal(code, 0);
  assert.match(stdout, /\nExamples:\n {2}shoreline cp -r \. my-env:\/workspace\/app\n/);
  assert.match(stdout, /\nOptions of every command: shoreline --help\n/);
  assert.doesNotMatch(stdout, /--api-key/);
  assert.match((await shoreline("--help")).stdout, /--api-key/);
});

test("words of other programs are answered with the command here", async () => {
  for (const [word, meant] of [
    ["rm", "terminate"],
    ["shell", "ssh"],
    ["attach", "pty attach"],
    ["constructor", undefined],
  ] as const) {
    const { stderr, code } = await shoreline(word, "my-env");
    assert.equal(code, 2);
    assert.ok(stderr.startsWith(`error: unknown command '${word}'\n`), stderr);
    assert.equal(stderr.includes("(Did you mean "), meant !== undefined, stderr);
    if (meant !== undefined) assert.ok(stderr.includes(`(Did you mean ${meant}?)`), stderr);
  }
});

test("a missing argument is shown with the usage of the command", async () => {
  const { stderr, code } = await shoreline("port", "expose", "box");
  assert.equal(code, 2);
  assert.equal(
    stderr,
    "error: missing required argument 'ports'\nUsage: shoreline port expose [options] <sandbox> <ports...>\n(see shoreline port expose --help)\n",
  );
});

test("errors of connections say what to do in a program, and do not mention pages", async () => {
  for (const [url, sentence] of [
    ["http://127.0.0.1:1", "no connection could be made: check the address and that the server is running"],
    ["http://127.0.0.1:10", "no connection could be made: check the address and that the server is running"],
    [await broken(), "the connection broke before the response: check the address"],
  ] as const) {
    const { stderr, code } = await shoreline("--api-url", url, "--api-key", "none", "ls");
    assert.equal(code, 123, stderr);
    assert.ok(stderr.includes(sentence), stderr);
    assert.doesNotMatch(stderr, /browser|origin|CORS/);
  }
});

/** The address of a server that closes every connection without an answer. */
async function broken(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("wrong use always says what is wrong", async () => {
  for (const [args, why] of [
    [["exec", "--user", "", "box", "true"], "--user must not be empty"],
    [["exec", "--detach", "--health-http", "70000", "box", "true"], "A port is a whole number"],
    [["exec", "box", "--"], "there is no command after `--`"],
    [["kill", "-s", "NONE", "box", "1"], "there is no signal NONE"],
    [["ls", "--api-url"], "argument missing"],
  ] as const) {
    const { stderr, stdout, code } = await shoreline(...args);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.ok(stderr.includes(why), `${args.join(" ")}: ${stderr}`);
  }
});

test("options of every command are taken wherever they stand", async () => {
  const nowhere = ["--api-url", "http://127.0.0.1:10", "--api-key=none"];
  for (const args of [
    [...nowhere, "ls"],
    ["ls", ...nowhere],
    ["describe", ...nowhere, "box"],
    ["pty", "ls", "box", ...nowhere],
  ]) {
    const { stderr, code } = await shoreline(...args);
    assert.equal(code, 123, stderr);
    assert.match(stderr, /127\.0\.0\.1:10/);
  }
  // What follows `--` is an operand, and `ls` has a --quiet of its own.
  assert.match((await shoreline("describe", "--", "--debug")).stderr, /^Error: no sandbox "--debug": /);
  assert.equal((await shoreline("ls", "--quiet")).stdout, "");
});

test("nothing but results is printed with --quiet, and no notice where nobody reads it", async () => {
  assert.deepEqual(await said("run", "true"), "Creating sandbox with default image...\n");
  assert.deepEqual(await said("--quiet", "run", "true"), "");
  assert.deepEqual(await said("run", "--quiet", "sh", "-c", "echo err >&2"), "err\n");
});

/** Standard error without the warning where nothing isolates sandboxes. */
async function said(...args: string[]): Promise<string> {
  const { stderr } = await shoreline(...args);
  assert.equal(environment.TENSORLAKE_API_KEY, undefined);
  return stderr.replace(/^No API key is set.*without isolation\.\n/, "");
}
