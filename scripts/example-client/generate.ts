import { codegen } from "@graphql-codegen/core";
import * as typedDocumentNode from "@graphql-codegen/typed-document-node";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";
import type { NamedOperation } from "../trusted-documents.js";

/** What each scalar is in JSON. Ids and cursors are opaque texts; money and counts fit a number. */
const scalars = { DateTime: "string", SafeInt: "number" };

/** `generated.ts`: the types of the schema, of every operation's variables and data, and a typed document for each. */
export async function generateClient(schema: string, operations: readonly NamedOperation[]): Promise<string> {
  const config = { scalars, strictScalars: true, defaultScalarType: "unknown", enumsAsTypes: true, immutableTypes: true, useTypeImports: true, skipTypename: true, avoidOptionals: { field: true } };
  const text = await codegen({
    filename: "generated.ts",
    schema: parse(schema),
    documents: operations.map(({ name, document }) => ({ location: `${name}.graphql`, document: parse(document) })),
    config,
    plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
    pluginMap: { typescriptOperations, typedDocumentNode },
  });
  return `/** Generated from schema/operations by \`npm run schema\`. Do not edit. */\n${text}\n`;
}
