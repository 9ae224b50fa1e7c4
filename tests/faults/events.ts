// Event streams as the local server writes them, taken apart and put together again.

/** One event. */
export interface Frame {
  id?: string;
  name?: string;
  data: Record<string, unknown>;
  /** As it came. */
  text: string;
}

/** Whether it is a line of output. */
export function isOutput(frame: Frame): boolean {
  return "line" in frame.data && !isUnfinished(frame);
}

/** Whether it is what an unfinished line has gained. */
export function isUnfinished(frame: Frame): boolean {
  return frame.name === "unfinished";
}

/** The events of a body, in groups as they arrived. Comments are left out. */
export async function* framesOf(body: AsyncIterable<Buffer>): AsyncGenerator<Frame[]> {
  // One character for each byte, until a whole event is there.
  let rest = "";
  for await (const chunk of body) {
    rest += chunk.toString("latin1");
    const texts = rest.split("\n\n");
    rest = texts.pop() ?? "";
    const frames = texts.map((text) => frame(Buffer.from(text, "latin1").toString()));
    const events = frames.filter((one) => one !== undefined);
    if (events.length > 0) yield events;
  }
  if (rest !== "") throw new Error(`the server's stream ends within an event: ${rest}`);
}

function frame(text: string): Frame | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 2));
  }
  const [id, name, data] = ["id", "event", "data"].map((field) => fields.get(field));
  if (data === undefined) return undefined;
  const parsed = JSON.parse(data) as Record<string, unknown>;
  return { ...(id !== undefined && { id }), ...(name !== undefined && { name }), data: parsed, text };
}

/** An event as it is sent. */
export function written({ id, name, data }: Omit<Frame, "text">): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(name === undefined ? [] : [`event: ${name}`]),
    `data: ${JSON.stringify(data)}`,
  ];
  return `${lines.join("\n")}\n\n`;
}
