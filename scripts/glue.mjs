// wasm-bindgen's glue as a function that makes an instance: one that has failed is left, and another one is made.
import { StepError } from "./steps.mjs";

/** Replaces what must be there. */
function replaced(text, from, to) {
  const out = text.replaceAll(from, to);
  if (out === text) throw new StepError(`wasm-bindgen's glue has changed: there is no ${String(from)} in it`);
  return out;
}

/**
 * What leaves the wasm by a closure would be an uncaught exception of a timer or microtask, and the calls under way would
 * hang. `died` is told of it, and gives the error that every later call of this instance throws. What is freed later, by
 * these functions, is gone already.
 */
const trapped = (freeing) => `
let failure;
function trapped(cause) {
    if (failure) return failure;
    failure = died(cause);
    wasmInstance = wasmModule = undefined;
    wasm = new Proxy({}, {
        get(_, name) {
            if (${JSON.stringify(freeing)}.includes(name)) return () => {};
            throw failure;
        },
    });
    return failure;
}
`;

/** The glue with the names that the module's imports and exports have been given. */
function shortened(glue, { imports, exports }) {
  const given = new Map(imports.map(([, name, short]) => [name, short]));
  const had = new Map(exports);
  const short = (names, name) => {
    if (!names.has(name)) throw new StepError(`the module has no ${name}`);
    return names.get(name);
  };
  return replaced(
    glue
      .replace(/^( {8})(__wb\w+)(?=: function)/gm, (_, indent, name) => indent + short(given, name))
      .replace(/\bwasm\.(\w+)/g, (_, name) => `wasm.${short(had, name)}`),
    '"./shoreline_bg.js": import0',
    "a: import0",
  );
}

/** The script and its types; `short` are the names of the module's imports and exports, where it has other ones by now. */
export function instances(script, types, short) {
  const names = [];
  const freeing = [...new Set(script.match(/(?<=\bwasm\.)\w*(free|destroy)\w*/g))];
  const exports = new Map(short?.exports);
  if (short) script = shortened(script, short);
  script = replaced(script, /^export (class|function) (\w+)/gm, (_, kind, name) => {
    names.push(name);
    return `${kind} ${name}`;
  });
  script = replaced(script, "return f(a, state.b, ...args);\n        } finally {", (found) =>
    found.replace("} finally", "} catch (error) {\n            trapped(error);\n        } finally"),
  );
  script = replaced(
    script,
    "export { initSync, __wbg_init as default };",
    `${trapped(freeing.map((name) => exports.get(name) ?? name))}return { ${names.join(", ")}, initSync, init: __wbg_init, trapped };`,
  );
  types = replaced(types, "export default function __wbg_init ", "export function init");
  return {
    script: `export default function instance(died) {\n${script}}\n`,
    types: `${types}
type Instance = Omit<typeof import("./shoreline.js"), "default"> & {
  /** Ends this instance after \`cause\` left the wasm; returns what \`died\` gave. */
  trapped(cause: unknown): unknown;
};

/** Makes an instance. \`died\` is called once it has failed, and gives the error that its functions throw from then on. */
export default function instance(died: (cause: unknown) => unknown): Instance;
`,
  };
}
