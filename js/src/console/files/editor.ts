// The editor of text files. The console loads it on first use.
import { css } from "@codemirror/lang-css";
import { html } from "@codemirror/lang-html";
import { javascript } from "@codemirror/lang-javascript";
import { json } from "@codemirror/lang-json";
import { markdown } from "@codemirror/lang-markdown";
import { python } from "@codemirror/lang-python";
import { rust } from "@codemirror/lang-rust";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { dockerFile } from "@codemirror/legacy-modes/mode/dockerfile";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";

/** Languages by the end of a file's name. */
const LANGUAGES: [RegExp, () => Extension][] = [
  [/\.[cm]?[jt]sx?$/, () => javascript({ jsx: true, typescript: true })],
  [/\.pyi?$/, () => python()],
  [/\.(json|jsonc|map)$/, () => json()],
  [/\.(md|markdown)$/, () => markdown()],
  [/\.(html?|svg|xml)$/, () => html()],
  [/\.css$/, () => css()],
  [/\.rs$/, () => rust()],
  [/\.ya?ml$/, () => yaml()],
  [/\.toml$/, () => StreamLanguage.define(toml)],
  [/(\.(ba|z)?sh|(^|\/)\.(bashrc|profile|zshrc|env))$/, () => StreamLanguage.define(shell)],
  [/(^|\/)Dockerfile$/, () => StreamLanguage.define(dockerFile)],
];

/** Colours of the console, which follow its theme. */
const COLORS = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--muted)" },
  { tag: [tags.function(tags.variableName), tags.definition(tags.variableName)], color: "var(--code-name)" },
  { tag: [tags.typeName, tags.className, tags.tagName, tags.propertyName], color: "var(--code-type)" },
  { tag: tags.heading, fontWeight: "bold" },
  { tag: tags.link, textDecoration: "underline" },
]);

/** An editor on a page. */
export interface Editor {
  readonly path: string;
  /** Shows the editor in another element of the same shadow root. */
  moveTo(parent: HTMLElement): void;
  /** The text, with the line ends that it had. */
  text(): string;
  focus(): void;
  close(): void;
}

/** Puts an editor into an element. `onChange` is called with each change, `onSave` where the keys ask for it. */
export function edit(
  parent: HTMLElement,
  { path, text, onChange, onSave }: { path: string; text: string; onChange: () => void; onSave: () => void },
): Editor {
  const language = LANGUAGES.find(([pattern]) => pattern.test(path))?.[1];
  // Without a separator, the editor would take each kind of line end for one and write only one kind.
  const isDos = text.includes("\r\n") && !/(^|[^\r])\n/.test(text);
  const view = new EditorView({
    parent,
    root: parent.getRootNode() as ShadowRoot,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorState.lineSeparator.of(isDos ? "\r\n" : "\n"),
        keymap.of([
          {
            key: "Mod-s",
            preventDefault: true,
            run: () => {
              onSave();
              return true;
            },
          },
        ]),
        basicSetup,
        syntaxHighlighting(COLORS),
        EditorView.updateListener.of(({ docChanged }) => {
          if (docChanged) onChange();
        }),
        EditorView.contentAttributes.of({ "aria-label": `Text of ${path}` }),
        language?.() ?? [],
      ],
    }),
  });
  view.focus();
  return {
    path,
    moveTo: (to) => {
      to.append(view.dom);
      view.requestMeasure();
    },
    text: () => view.state.sliceDoc(),
    focus: () => {
      view.focus();
    },
    close: () => {
      view.destroy();
    },
  };
}
