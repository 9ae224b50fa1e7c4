// What the declarations say of the platform, for compilers that do not know it. Where one does (by the types of
// DOM, Node, Bun, Deno or Workers), each is the platform's own: an empty interface adds nothing to it, and the type
// parameters are those that all of them have.
/* eslint-disable @typescript-eslint/no-empty-object-type, @typescript-eslint/no-explicit-any, @typescript-eslint/no-namespace, @typescript-eslint/no-unused-vars */
declare global {
  interface AbortSignal {}
  interface Blob {}
  interface EventSource {}
  interface HTMLElement {}
  interface ReadableStream<R = any> {}
  interface Request {}
  interface RequestInit {}
  interface Response {}
  interface WebSocket {}
  interface WritableStream<W = any> {}

  namespace WebAssembly {
    interface Module {}
  }
}

export {};
