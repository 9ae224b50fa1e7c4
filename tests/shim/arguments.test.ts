// What the shim checks of arguments before the core sees them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, checkHandler, checkPort, isPromise, optionsOf } from "../../js/src/arguments.js";

const refused = (message: string | RegExp) => ({ name: "UsageError", code: "invalid_argument", message });

test("no options are empty options, and other values are refused", () => {
  for (const none of [undefined, null]) assert.deepEqual(optionsOf(none), {});
  const given = { a: 1 };
  assert.equal(optionsOf(given), given);
  for (const wrong of ["text", 1, ["-l"]])
    assert.throws(() => optionsOf(wrong as unknown as object), refused(/^options must be an object/));
});

test("an unknown option is refused with the nearest name", () => {
  const table = { workingDir: null, env: null, retry: { attempts: null } };
  const check = (options: object) => optionsOf(options, "signal onLine", table);
  assert.doesNotThrow(() =>
    check({ workingDir: "/", onLine: 1, retry: { attempts: 1 }, nothing: undefined }),
  );
  assert.throws(() => check({ working_dir: "/" }), refused(/did you mean `workingDir`\?$/));
  assert.throws(() => check({ cwd: "/" }), refused(/did you mean `workingDir`\?$/));
  assert.throws(
    () => check({ retry: { attempt: 1 } }),
    refused(/`retry.attempt`: did you mean `retry.attempts`\?$/),
  );
  assert.throws(
    () => check({ zzz: 1 }),
    refused(/the options here are signal, onLine, workingDir, env, retry$/),
  );
  // An inherited name is no option.
  assert.throws(() => check({ toString: 1 }), refused(/^there is no option `toString`/));
});

test("a port must be an integer from 1 to 65535", () => {
  for (const port of [1, 65_535])
    assert.doesNotThrow(() => {
      checkPort(port);
    });
  for (const port of [0, 65_536, 1.5, Number.NaN, "80", undefined])
    assert.throws(
      () => {
        checkPort(port);
      },
      refused(/^a port must be/),
    );
});

test("a handler is a function or undefined", () => {
  assert.doesNotThrow(() => {
    checkHandler("onLine", undefined);
    checkHandler("onLine", () => 1);
  });
  for (const wrong of [null, "text", {}])
    assert.throws(() => {
      checkHandler("onLine", wrong);
    }, refused("`onLine` must be a function"));
});

test("anything with a method `then` is awaited", () => {
  assert.deepEqual([Promise.resolve(), { then: () => 1 }, { then: 1 }, null, undefined, 1].map(isPromise), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("data is text in UTF-8 or the bytes of a view", () => {
  assert.deepEqual([...bytesOf("é")], [0xc3, 0xa9]);
  const { buffer } = new Uint8Array([1, 2, 3, 4]);
  assert.deepEqual([...bytesOf(new DataView(buffer, 1, 2))], [2, 3]);
  assert.deepEqual([...bytesOf(new Uint16Array(buffer, 2, 1))], [3, 4]);
  assert.deepEqual([...bytesOf(buffer)], [1, 2, 3, 4]);
  for (const wrong of [undefined, null, 1, [1, 2]])
    assert.throws(() => bytesOf(wrong as never), refused(/^data must be a string/));
});

test("a detached buffer is refused, with its views", () => {
  const view = new Uint8Array(2);
  const { buffer } = view;
  structuredClone(buffer, { transfer: [buffer] });
  assert.throws(() => bytesOf(buffer), refused(/detached/));
});
