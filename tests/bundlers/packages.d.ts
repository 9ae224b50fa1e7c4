// What is used of packages that are installed beside the packed one only.
declare module "vite" {
  interface Server {
    resolvedUrls: { local: string[] } | null;
    listen(): Promise<unknown>;
    close(): Promise<void>;
  }
  interface Options {
    root: string;
    logLevel: "warn";
    configFile: false;
    base?: string;
    build?: { outDir: string; ssr?: string };
    resolve?: { alias: Record<string, string> };
    ssr?: { noExternal: true };
    server?: { host: string; port: number };
  }
  export interface Plugin {
    name: string;
    configureServer(server: {
      middlewares: {
        use(
          path: string,
          handler: (
            request: import("node:http").IncomingMessage,
            response: import("node:http").ServerResponse,
          ) => void,
        ): void;
      };
    }): void;
  }
  export function defineConfig(options: { plugins: Plugin[]; build: { target: string } }): object;
  export function build(options: Options): Promise<unknown>;
  export function createServer(options: Options): Promise<Server>;
}
declare module "webpack" {
  interface Options {
    mode: "production";
    context: string;
    entry: string;
    output: { path: string };
  }
  export interface Stats {
    hasErrors(): boolean;
    hasWarnings(): boolean;
    toString(): string;
  }
  export default function webpack(
    options: Options,
    done: (error: Error | null, stats: Stats | undefined) => void,
  ): void;
}
declare module "rollup" {
  interface Bundle {
    write(options: { dir: string; format: "es" }): Promise<unknown>;
  }
  export function rollup(options: { input: string; plugins: unknown[] }): Promise<Bundle>;
}
declare module "@rollup/plugin-node-resolve" {
  export default function resolve(options: { browser: boolean }): unknown;
}
