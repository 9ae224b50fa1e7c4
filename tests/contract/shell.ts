// Lines for a shell: their values are words, whatever characters they have.
import { ok, equal, rejects, test } from "./harness.js";

const WORDS = [
  "",
  " ",
  "a b",
  "$HOME",
  "*",
  "\n",
  "'",
  '"',
  "`id`",
  "$(id)",
  "; id",
  "\\",
  "-n",
  "é😀",
  "_1",
  "#",
];

test("a value in a line for a shell is one word, whatever is in it", async ({ sandbox }) => {
  for (const word of WORDS) {
    const { stdoutBytes } = await sandbox.sh`printf '<%s>' ${word} x${word}y`;
    equal(new TextDecoder().decode(stdoutBytes), `<${word}><x${word}y>`, JSON.stringify(word));
  }
});

test("an array in a line for a shell is a word for each item, and more than nine are told apart", async ({
  sandbox,
}) => {
  const { stdout } = await sandbox.sh`printf '<%s>' ${WORDS} ${[]} ${[1, 2]} | tr -d '\n'`;
  equal(
    stdout,
    [...WORDS, 1, 2]
      .map((word) => `<${word}>`)
      .join("")
      .replace("\n", ""),
  );
});

test("the rest of a line for a shell is the shell's", async ({ sandbox }) => {
  const { stdout, exitCode } =
    await sandbox.sh`A="a b"; f() { printf '%s ' "$A" \${A} '\t' $1 ${3}; }; f $((1 + 1)) && exit 4`;
  equal([stdout, exitCode], ["a b a b \\t 2 3 ", 4]);
});

test("a line for a shell takes options", async ({ sandbox }) => {
  equal((await sandbox.sh({ workingDir: "/usr" })`pwd`).stdout, "/usr");
  await rejects(sandbox.sh({ check: true })`exit 3`, "command_failed");
  const lines: string[] = [];
  for await (const { line } of sandbox.sh`echo ${"a"}; echo b`) lines.push(line);
  equal(lines, ["a", "b"]);
});

test("what would not be quoted in a line for a shell is refused", async ({ sandbox }) => {
  const calls: (() => unknown)[] = [
    () => sandbox.sh`echo '${1}'`,
    () => sandbox.sh`echo "a ${1}"`,
    () => sandbox.sh`echo \'"$(cat ${1})"`,
    () => sandbox.sh`echo ${undefined as never}`,
    () => sandbox.sh`echo ${["a", {} as never]}`,
    () => sandbox.sh("ls" as never),
    () => sandbox.sh(null as never),
    () => sandbox.sh({ args: ["a"] } as never),
  ];
  for (const call of calls) await rejects(Promise.resolve().then(call), "invalid_argument");
  const { message } = await rejects(Promise.resolve().then(calls[0]), "invalid_argument");
  ok(message.includes("leave out the quotes"), message);
});
