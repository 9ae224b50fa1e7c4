// Tools that read, write and search files.
import assert from "node:assert/strict";
import { test } from "../helpers/processes.js";
import { bad, good, sandbox, toolsOf } from "./box.js";

const call = toolsOf();
const small = toolsOf({ maxResultBytes: 2000 });

test("a file is written, with its directories, read and added to", async () => {
  const path = "made/by/tool.txt";
  await good(call("write_file", { path, content: "één\ntwo\n" }));
  const { data, text } = await good(call("read_file", { path }));
  assert.equal(data.content, "één\ntwo\n");
  assert.equal(text, "één\ntwo\n[lines 1 to 2]");
  await good(call("write_file", { path, content: "three", append: true }));
  assert.match((await good(call("read_file", { path, first_line: 3 }))).text, /^three\n\[lines 3 to 3\]$/);
  await good(call("write_file", { path, content: "" }));
  assert.equal((await good(call("read_file", { path }))).text, "[the file is empty]");
});

test("parts of a long file", async () => {
  const path = "/tmp/long.txt";
  await sandbox.sh`seq 1 100000 > ${path}`;
  const { data } = await good(call("read_file", { path, first_line: 50_000, max_lines: 3 }));
  assert.equal(data.content, "50000\n50001\n50002\n");
  assert.equal(data.last_line, 50_002);
  assert.equal(data.more, true);
  let next = 1;
  let whole = "";
  for (let more = true; more;) {
    const part = await good(small("read_file", { path, first_line: next, max_lines: 2000 }));
    assert.ok(Buffer.byteLength(part.text) <= 2000);
    whole += part.data.content;
    next = part.data.last_line + 1;
    more = part.data.more === true && next < 1000;
  }
  assert.ok("1\n2\n3\n".startsWith(whole.slice(0, 6)));
  assert.equal(whole, Array.from({ length: next - 1 }, (_, at) => `${at + 1}\n`).join(""));
  await bad(call("read_file", { path, first_line: 200_000 }), "invalid_input", /100,000 lines/);
});

test("a line that is longer than a result is cut, not lost", async () => {
  const path = "/tmp/wide.txt";
  await sandbox.writeFile(path, `short\n${"é".repeat(100_000)}\nlast\n`);
  const { data } = await good(small("read_file", { path }));
  assert.equal(data.content, "short\n");
  const { data: wide, text } = await good(small("read_file", { path, first_line: 2 }));
  assert.match(wide.content, /^é+$/);
  assert.match(text, /was cut/);
  assert.equal((await good(small("read_file", { path, first_line: 3 }))).data.content, "last\n");
});

test("what is not text, or no file", async () => {
  await sandbox.writeFile("/tmp/binary", Uint8Array.of(0x7f, 0x45, 0, 0xff));
  await bad(call("read_file", { path: "/tmp/binary" }), "binary_file", /run_command/);
  await bad(call("read_file", { path: "/tmp" }), "EISDIR", /list_directory/);
  await bad(call("read_file", { path: "/tmp/none" }), "ENOENT", /find_files/);
  await sandbox.sh`mkfifo /tmp/pipe`;
  await bad(call("read_file", { path: "/tmp/pipe" }), "ENXIO", /FIFO/);
  await bad(call("edit_file", { path: "/tmp", old_text: "a", new_text: "b" }), "EISDIR", /directory/);
  await bad(call("list_directory", { path: "/tmp/binary" }), "ENOTDIR", /./);
  await bad(call("write_file", { path: "/proc/none/x", content: "" }), "ENOENT", /./);
  assert.equal((await good(call("read_file", { path: "/tmp/../etc/passwd" }))).isError, false);
});

test("an edit replaces what is there once", async () => {
  const path = "/tmp/edit.py";
  await sandbox.writeFile(path, "a = 1\nb = 1\r\nc = 2\n");
  const { data } = await good(call("edit_file", { path, old_text: "c = 2", new_text: "c = $&" }));
  assert.equal(data.first_line, 3);
  const edit = (old_text: string, new_text = "x") => call("edit_file", { path, old_text, new_text });
  await bad(edit(" = 1"), "too_many_matches", /2 times, in lines 1, 2/);
  await bad(edit("  a = 1"), "no_match", /Line 1 is like/);
  await bad(edit("b = 1\nc"), "no_match", /\\r\\n/);
  await bad(edit("zzz"), "no_match", /read_file/);
  await bad(edit("a", "a"), "invalid_input", /the same/);
  const all = await good(call("edit_file", { path, old_text: " = 1", new_text: " = 9", replace_all: true }));
  assert.equal(all.data.replacements, 2);
  const text = new TextDecoder().decode(await sandbox.readFile(path));
  assert.equal(text, "a = 9\nb = 9\r\nc = $&\n");
});

test("edits of one file at the same time lose nothing", async () => {
  const path = "/tmp/many.txt";
  await sandbox.writeFile(path, Array.from({ length: 20 }, (_, at) => `<${at}>\n`).join(""));
  const edits = Array.from({ length: 20 }, (_, at) =>
    good(call("edit_file", { path, old_text: `<${at}>`, new_text: `(${at})` })),
  );
  await Promise.all(edits);
  assert.doesNotMatch(new TextDecoder().decode(await sandbox.readFile(path)), /</);
});

test("a directory's entries", async () => {
  await sandbox.sh`mkdir -p /tmp/dir/sub && cd /tmp/dir && touch b a && ln -s a link`;
  const { text, data } = await good(call("list_directory", { path: "/tmp/dir" }));
  assert.equal(text, "a\nb\nlink@\nsub/");
  assert.deepEqual(data.entries[3], { name: "sub", type: "directory" });
  await sandbox.sh`mkdir /tmp/full && cd /tmp/full && seq 1 3000 | xargs touch`;
  const full = await good(call("list_directory", { path: "/tmp/full" }));
  assert.equal(full.data.entries.length, 1000);
  assert.match(full.text, /2000 more/);
  assert.equal((await good(call("list_directory", {}))).isError, false);
});

test("searches by path and by content", async () => {
  await sandbox.sh`mkdir -p /tmp/src/lib && cd /tmp/src && printf 'TODO one\nrest\n' > main.ts && printf 'todo.two\n' > lib/x.py`;
  const paths = await good(call("find_files", { pattern: "**/*.{ts,py}", path: "/tmp/src" }));
  assert.deepEqual(paths.data.paths, ["lib/x.py", "main.ts"]);
  const found = await good(call("search_files", { pattern: "todo", ignore_case: true, path: "/tmp/src" }));
  assert.equal(found.text, "lib/x.py:1: todo.two\nmain.ts:1: TODO one");
  const one = await good(call("search_files", { pattern: "o", path: "/tmp/src", limit: 1 }));
  assert.equal(one.data.truncated, true);
  assert.equal(
    (await good(call("find_files", { pattern: "*.none", path: "/tmp/src" }))).data.paths.length,
    0,
  );
  await bad(call("search_files", { pattern: "(", path: "/tmp/src" }), "invalid_request", /./);
  await bad(call("find_files", { pattern: "*", path: "/tmp/nowhere" }), "ENOENT", /./);
});
