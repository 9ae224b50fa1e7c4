/**
 * Loads the code of `sandbox.fs` with the program, for runtimes without `import()` such as service workers.
 *
 * @module shoreline/fs
 */
import { useFileSystem } from "../file-system.js";
import * as implementation from "../fs/index.js";

useFileSystem(implementation);
