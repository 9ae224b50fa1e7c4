// Where the server's program is.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The variable that names another program. */
export const VARIABLE = "SHORELINE_LOCAL_BINARY";

/** The program that the environment names, that of this machine's package, or one built in this repository. */
export function serverBinary(): string | undefined {
  const named = process.env[VARIABLE];
  if (named) return named;
  // A URL of this module's own would be looked for by bundlers.
  const here = dirname(fileURLToPath(import.meta.url));
  const built = join(here, "..", "..", "target", "release", "shoreline-local");
  return packaged() ?? (existsSync(built) ? built : undefined);
}

function packaged(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`${platformPackage()}/bin/shoreline-local`);
  } catch {
    // There is none for this machine, or optional dependencies were left out.
    return undefined;
  }
}

/** The package that has the program for this machine, if there is one. */
export function platformPackage(): string {
  return `@shoreline/local-${process.platform}-${process.arch}`;
}
