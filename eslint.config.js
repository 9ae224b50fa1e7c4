import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["node_modules/", "pkg/", "target/", "js/src/generated/", "tests/types/", "tests/adapters/"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        project: [
          "tsconfig.json",
          "tsconfig.node.json",
          "tsconfig.cli.json",
          "tsconfig.console.json",
          "tests/tsconfig.json",
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // A number in a message is plain.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `async` without `await` makes a rejection of every throw.
      "@typescript-eslint/require-await": "off",
      // The other rule that it asks for, `!`, is refused by the strict set: an assertion is to be seen.
      "@typescript-eslint/non-nullable-type-assertion-style": "off",
      "@typescript-eslint/no-empty-function": ["error", { allow: ["functions", "arrowFunctions"] }],
    },
  },
  {
    files: ["tests/**/*.ts"],
    rules: {
      // In a test the type of an unknown error is asserted by looking at it.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // `node:test` waits for its tests itself.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "before", "after", "describe"] },
          ],
        },
      ],
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    extends: [tseslint.configs.recommended],
  },
);
