// The relay's routes are those of the protocol for processes, files and terminals, each once.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ROUTES } from "../../js/src/relay/routes.js";

test("the routes are the protocol's", () => {
  const table = readFileSync("crates/protocol/src/route.rs", "utf8");
  const theirs = [...table.matchAll(/= (\w+) "\/api\/v1\/((?:processes|files|pty)[^"]*)";/g)];
  const named = theirs.map(
    ([, verb = "", path = ""]) => `${verb.toUpperCase()} ${path.replace(/\{\w+\}/g, "*")}`,
  );
  assert.ok(named.length > 20);
  assert.deepEqual(Object.keys(ROUTES).sort(), named.sort());
});
