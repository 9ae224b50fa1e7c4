export * from "../index.js";
export { type ModuleSource, useModule } from "../load/given.js";
