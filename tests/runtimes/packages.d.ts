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
  interface Page {
    goto(url: string): Promise<unknown>;
    reload(): Promise<unknown>;
    bringToFront(): Promise<void>;
    url(): string;
    evaluate<T, A>(work: (given: A) => T, given: A): Promise<Awaited<T>>;
    evaluate(script: string): Promise<unknown>;
    mouse: {
      click(x: number, y: number): Promise<void>;
      move(x: number, y: number): Promise<void>;
      wheel(by: { deltaY: number }): Promise<void>;
    };
    keyboard: {
      type(text: string): Promise<void>;
      press(key: string): Promise<void>;
      down(key: string): Promise<void>;
      up(key: string): Promise<void>;
    };
    setDefaultTimeout(ms: number): void;
    setViewport(size: { width: number; height: number }): Promise<unknown>;
    screenshot(options: { path: string }): Promise<unknown>;
    on(event: "pageerror", handler: (error: unknown) => void): unknown;
    close(): Promise<void>;
  }
  export interface BrowserContext {
    newPage(): Promise<Page>;
    close(): Promise<void>;
  }
  interface Browser {
    version(): Promise<string>;
    newPage(): Promise<Page>;
    createBrowserContext(): Promise<BrowserContext>;
    close(): Promise<void>;
  }
  export function launch(options: {
    browser: "firefox";
    executablePath: string;
    headless: boolean;
    timeout?: number;
    extraPrefsFirefox?: Record<string, unknown>;
  }): Promise<Browser>;
}
