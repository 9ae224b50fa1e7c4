// The arguments of `npm test`.
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { say } from "./steps.mjs";

const USAGE = `usage: npm test -- [STEP...] [--name TEXT] [--update]
  STEP         steps to run; without one, all that need no large download
  --name TEXT  only tests whose name matches TEXT, a regular expression in Node's tests, a part of the name in others
  --update     accept the measured sizes (size), or write the README's table (runtime-table)`;

const OPTIONS = {
  name: { type: "string" },
  update: { type: "boolean", default: false },
  // `npm run test:runtime`
  runtimes: { type: "boolean", default: false },
  help: { type: "boolean", default: false, short: "h" },
};

/** Prints why the arguments are wrong, and ends. */
function refuse(why) {
  say(`${why}\n${USAGE}`);
  process.exit(2);
}

function parsed() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return refuse(error.message);
  }
}

/** The options, and the steps that are named. Ends the program where one of them does not exist. */
export function testArguments(steps, runtimes, gates) {
  const { values, positionals: named } = parsed();
  const known = values.runtimes ? runtimes : steps;
  if (values.help) {
    console.log(`${USAGE}\n\nSteps: ${known.join(", ")}`);
    process.exit(0);
  }
  const unknown = named.filter((name) => !known.includes(name));
  if (unknown.length > 0) refuse(`there is no step ${unknown.join(", ")}; there are: ${known.join(", ")}`);
  if (values.name === "") refuse("--name needs a text");
  const unnamed = values.name === undefined ? [] : named.filter((name) => gates.includes(name));
  if (unnamed.length > 0) refuse(`--name selects tests, of which ${unnamed.join(", ")} has none`);
  return { ...values, named, known };
}

/** What limits a runner to tests by their name: arguments of `node --test`, `cargo test` and pytest. */
export const filters = {
  node: (name) => (name === undefined ? [] : ["--test-name-pattern", name]),
  // Names of functions have no spaces.
  cargo: (name) => (name === undefined ? [] : [name.replace(/\W+/g, "_")]),
  pytest: (name) => (name === undefined ? [] : ["-k", name.replace(/\W+/g, "_")]),
};

/** Asks on the terminal; an empty answer is a yes. */
export async function confirm(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^(y(es)?)?$/i.test((await terminal.question(`${question} [Y/n] `)).trim());
  } finally {
    terminal.close();
  }
}
