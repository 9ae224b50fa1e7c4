/** A variable of the environment, where the runtime has one and lets it be read. */
export function env(name: string): string | undefined {
  try {
    const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
    return process?.env?.[name] || undefined;
  } catch {
    // Deno without --allow-env.
    return undefined;
  }
}
