// Safari has no `Symbol.asyncDispose`. What Babel and esbuild make of `await using` looks for the registered one there.
export const { asyncDispose = Symbol.for("Symbol.asyncDispose") } = Symbol;
