// What is used of packages that are installed beside the packed one only.
declare module "miniflare" {
  export class Miniflare {
    constructor(options: {
      modules: true | { type: "ESModule" | "CompiledWasm"; path: string }[];
      modulesRoot?: string;
      scriptPath?: string;
      bindings?: Record<string, string>;
      compatibilityDate: string;
    });
    dispatchFetch(url: string, init: { method: string; body: string }): Promise<Response>;
    readonly ready: Promise<URL>;
    dispose(): Promise<void>;
  }
}
declare module "@edge-runtime/vm" {
  export class EdgeVM {
    constructor(options: { extend: (context: Record<string, unknown>) => Record<string, unknown> });
    evaluate(code: string): unknown;
  }
}
declare module "puppeteer-core" {
  interface Browser {
    version(): Promise<string>;
    newPage(): Promise<{
      goto(url: string): Promise<unknown>;
      evaluate<T, A>(work: (given: A) => T, given: A): Promise<Awaited<T>>;
    }>;
    close(): Promise<void>;
  }
  export function launch(options: {
    browser: "firefox";
    executablePath: string;
    headless: boolean;
  }): Promise<Browser>;
}
