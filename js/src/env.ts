/** A variable of the environment, where the runtime has one and lets it be read. */
export function env(name: string): string | undefined {
  try {
    const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
    const value = process?.env?.[name];
    return value === "" ? undefined : value;
  } catch {
    // Deno without --allow-env.
    return undefined;
  }
}
