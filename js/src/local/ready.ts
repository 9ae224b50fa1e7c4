// What a server says once it is ready. It needs no types of Node, as declarations that name it must not.
/**
 * What keeps sandboxes apart from this machine and from each other: `bubblewrap` (namespaces), `landlock` (Landlock and
 * seccomp, in the machine's namespaces) or `none` (commands run with the rights of the user who started the server).
 */
export type IsolationLevel = "bubblewrap" | "landlock" | "none";

export interface Ready {
  url: string;
  apiKey: string;
  /** The isolation level in force. */
  isolation: IsolationLevel;
}
